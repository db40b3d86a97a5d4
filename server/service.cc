#include "server/service.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "proto/convert.h"
#include "server/producers.h"
#include "server/refusals.h"

namespace weightinit::server {
namespace {

// Buffers kept while idle: enough that streams which come and go find one, few enough that an idle
// server is small.
constexpr std::size_t kMaxIdleBuffers = 16;

void AddLimit(v1::GetCapabilitiesResponse& response, std::string_view name, std::int64_t value,
              std::string_view unit, std::string_view flag, std::string_view description) {
  v1::GetCapabilitiesResponse::Limit& limit = *response.add_limits();
  limit.set_name(std::string(name));
  limit.set_value(static_cast<std::uint64_t>(value));
  limit.set_unit(std::string(unit));
  limit.set_flag(std::string(flag));
  limit.set_description(std::string(description));
}

}  // namespace

WeightInitService::WeightInitService(const ServerOptions& options,
                                     std::vector<CallObserver*> observers, const Tokens* tokens)
    : options_(options),
      observers_(std::move(observers)),
      gatekeeper_(options, tokens),
      engine_(EngineOptions{.threads = options.threads, .cache_bytes = options.cache_bytes}),
      buffers_(BufferPool::Create(static_cast<std::size_t>(options.chunk_bytes), kMaxIdleBuffers)),
      resolver_(options),
      slots_(options.max_streams),
      memory_(options.max_stream_bytes),
      watch_(options.stream_idle_timeout),
      pool_(engine_.threads()) {}

Workshop WeightInitService::Shop() {
  return {
      engine_, resolver_, buffers_, memory_, options_.chunk_bytes, options_.chunks_per_stream()};
}

ServerState WeightInitService::State() const {
  const RecipeCache& recipes = resolver_.recipes();
  return {.streams = slots_.taken(),
          .stream_bytes = memory_.promised(),
          .recipe_cache_bytes = recipes.bytes(),
          .recipe_cache_hits = recipes.hits(),
          .recipe_cache_misses = recipes.misses(),
          .cache = engine_.cache_stats(),
          .is_serving = true,
          .certificate_expiry = {}};
}

template <typename Message, typename Make>
grpc::ServerWriteReactor<Message>* WeightInitService::Stream(Method method,
                                                             grpc::CallbackServerContext* context,
                                                             bool has_request, Make make) {
  observers_.OnBegin(method);
  const auto refuse = [&](const absl::Status& status) {
    observers_.OnEnd({method, status, {}, {}, {}, *context, context->peer()});
    return new RefusingReactor<Message>(status);
  };
  absl::StatusOr<Gatekeeper::Pass> pass = CatchAll([&] { return gatekeeper_.Admit(*context); });
  if (!pass.ok()) return refuse(pass.status());
  if (is_draining_.load()) return refuse(Draining());
  // A call may be taken back before its request is there: a flood of those takes no slots.
  if (!has_request) return refuse(absl::CancelledError("the request never came"));
  StreamSlots::Slot slot = slots_.TryTake();
  if (slot == nullptr) {
    return refuse(Busy("all " + std::to_string(slots_.max()) + " streams are taken", "max_streams",
                       slots_.max()));
  }
  auto* reactor =
      new StreamReactor<Message>(pool_, options_.chunks_ahead, make(), std::move(slot),
                                 *std::move(pass), method, *context, observers_, watch_);
  reactor->Begin();
  return reactor;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightInitService::InitializeTensor(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Stream<grpc::ByteBuffer>(Method::kInitializeTensor, context, request->Valid(), [&] {
    return MakeWeights<v1::InitializeTensorRequest>(Shop(), *request);
  });
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* WeightInitService::InitializeModel(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Stream<grpc::ByteBuffer>(Method::kInitializeModel, context, request->Valid(), [&] {
    return MakeWeights<v1::InitializeModelRequest>(Shop(), *request);
  });
}

grpc::ServerWriteReactor<v1::PlanResponse>* WeightInitService::Plan(
    grpc::CallbackServerContext* context, const v1::PlanRequest* request) {
  return Stream<v1::PlanResponse>(Method::kPlan, context, /*has_request=*/true,
                                  [&] { return MakePlan(Shop(), *request); });
}

grpc::ServerWriteReactor<v1::SummarizeResponse>* WeightInitService::Summarize(
    grpc::CallbackServerContext* context, const v1::SummarizeRequest* request) {
  return Stream<v1::SummarizeResponse>(Method::kSummarize, context, /*has_request=*/true,
                                       [&] { return MakeSummaries(Shop(), *request); });
}

grpc::ServerUnaryReactor* WeightInitService::GetCapabilities(
    grpc::CallbackServerContext* context, const v1::GetCapabilitiesRequest* request,
    v1::GetCapabilitiesResponse* response) {
  observers_.OnBegin(Method::kGetCapabilities);
  const auto begin = std::chrono::steady_clock::now();
  const absl::Status status = CatchAll([&] {
    const auto pass = gatekeeper_.Admit(*context);
    if (!pass.ok()) return pass.status();
    if (absl::Status known = proto::RejectUnknown(*request); !known.ok()) return known;
    *response = proto::LibraryCapabilities();
    response->set_chunk_bytes(static_cast<std::uint64_t>(options_.chunk_bytes));
    response->set_threads(static_cast<std::uint32_t>(threads()));
    AddLimit(*response, "max_request_bytes", options_.max_request_bytes, "bytes",
             "--max-request-bytes", "A request's size");
    AddLimit(*response, "max_response_bytes", options_.limits.max_response_bytes, "bytes",
             "--max-response-bytes",
             "What one request may ask for, not counting what it leaves out");
    AddLimit(
        *response, "max_matrix_bytes", options_.limits.max_matrix_bytes, "bytes",
        "--max-matrix-bytes",
        "Memory to make a matrix that any part needs whole: orthogonal, delta_orthogonal, sparse");
    AddLimit(*response, "max_streams", options_.max_streams, "streams", "--max-streams",
             "Streams at one time, over all connections");
    AddLimit(*response, "max_tensors", options_.max_tensors, "tensors", "--max-tensors",
             "Tensors of a recipe");
    AddLimit(*response, "max_rules", options_.max_rules, "rules", "--max-rules",
             "Rules of a recipe, and renames");
    if (options_.max_streams_per_peer > 0) {
      AddLimit(*response, "max_streams_per_peer", options_.max_streams_per_peer, "streams",
               "--max-streams-per-peer", "Streams of one peer at one time");
    }
    if (options_.max_calls_per_second > 0) {
      AddLimit(*response, "max_calls_per_second", options_.max_calls_per_second, "calls",
               "--max-calls-per-second", "Calls of one peer in a second");
    }
    AddLimit(*response, "max_stream_bytes", options_.max_stream_bytes, "bytes",
             "--max-stream-bytes", "Memory for the chunks of all streams together");
    return absl::OkStatus();
  });
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  observers_.OnEnd({Method::kGetCapabilities,
                    status,
                    {},
                    {},
                    std::chrono::steady_clock::now() - begin,
                    *context,
                    context->peer()});
  reactor->Finish(proto::ToGrpcStatus(status));
  return reactor;
}

}  // namespace weightinit::server
