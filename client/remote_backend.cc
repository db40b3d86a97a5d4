#include "client/remote_backend.h"

#include <grpcpp/grpcpp.h>

#include <utility>
#include <vector>

#include "client/chunk_receiver.h"
#include "client/formats/document.h"
#include "client/plan_merger.h"
#include "client/printable.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "proto/convert.h"
#include "weightinit/engine.h"

namespace weightinit::client {
namespace {

// Servers send up to 4 MiB of values and a header with the tensor's plan in one message.
constexpr int kMaxMessageBytes = 8 << 20;

// One call: its deadline, and its end when the user stops it.
class Call {
 public:
  Call(const RemoteOptions& options, std::stop_token stop)
      : stop_(std::move(stop)), canceller_(stop_, [this] { context_.TryCancel(); }) {
    if (options.timeout.has_value()) {
      context_.set_deadline(std::chrono::system_clock::now() + *options.timeout);
    }
  }
  grpc::ClientContext* context() { return &context_; }

  // What the call came to, in words for whoever made it.
  absl::Status Result(const grpc::Status& status, const std::string& target) const {
    if (status.ok()) return absl::OkStatus();
    if (stop_.stop_requested()) return absl::CancelledError("interrupted");
    absl::Status error = proto::FromGrpcStatus(status);
    // The library's refusals speak for themselves. What broke on the way needs to say where.
    switch (error.code()) {
      case absl::StatusCode::kUnavailable:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kCancelled:
      case absl::StatusCode::kUnknown:
      case absl::StatusCode::kInternal:
        return absl::Status(error.code(), target + ": " + Printable(status.error_message()));
      default:
        return error;
    }
  }

 private:
  grpc::ClientContext context_;
  const std::stop_token stop_;
  std::stop_callback<std::function<void()>> canceller_;
};

// Ends a stream whose answer is of no more use, and gives the reason.
template <typename Reader>
absl::Status Abandon(Call& call, Reader& reader, absl::Status reason) {
  call.context()->TryCancel();
  reader.Finish();
  return reason;
}

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  constexpr std::size_t kMaxPemBytes = std::size_t{4} << 20;  // a bundle of all CAs is 0.2 MB
  return path.empty() ? std::string() : ReadSmallFile(path, kMaxPemBytes);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const RemoteOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  const bool tls = options.tls || !options.ca_file.empty() || !options.cert_file.empty() ||
                   !options.server_name.empty();
  if (!tls) return grpc::InsecureChannelCredentials();
  absl::StatusOr<std::string> ca = ReadPem(options.ca_file);
  absl::StatusOr<std::string> cert = ReadPem(options.cert_file);
  absl::StatusOr<std::string> key = ReadPem(options.key_file);
  for (const auto* file : {&ca, &cert, &key}) {
    if (!file->ok()) return file->status();
  }
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = *ca;
  ssl.pem_private_key = *key;
  ssl.pem_cert_chain = *cert;
  return grpc::SslCredentials(ssl);
}

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteBackend>> RemoteBackend::Create(const RemoteOptions& options) {
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials = Credentials(options);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A server that vanished without a word is noticed after 60 + 20 seconds. Servers count pings
  // that come more often than every 30 seconds as an attack.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetUserAgentPrefix("weightinit/" + std::string(Version()));
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  return std::unique_ptr<RemoteBackend>(new RemoteBackend(
      options, grpc::CreateCustomChannel(options.target, *credentials, arguments)));
}

RemoteBackend::RemoteBackend(RemoteOptions options, std::shared_ptr<grpc::Channel> channel)
    : options_(std::move(options)),
      channel_(std::move(channel)),
      stub_(v1::WeightInitService::NewStub(channel_)) {}

absl::StatusOr<PlanAnswer> RemoteBackend::Plan(const Recipe& recipe, std::stop_token stop) {
  Call call(options_, std::move(stop));
  v1::PlanRequest request;
  *request.mutable_recipe() = proto::ToProto(recipe);
  const auto reader = stub_->Plan(call.context(), request);
  PlanMerger merger(recipe.tensors.size());
  v1::PlanResponse response;
  while (reader->Read(&response)) {
    if (absl::Status status = merger.Take(response); !status.ok()) {
      return Abandon(call, *reader, status);
    }
  }
  absl::Status status = call.Result(reader->Finish(), options_.target);
  if (!status.ok()) return status;
  return merger.Finish();
}

absl::Status RemoteBackend::Read(const Model& model, std::span<const Selection> selections,
                                 const ReadOptions& options, Receiver& receiver,
                                 std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  v1::InitializeModelRequest request;
  *request.mutable_recipe() = proto::ToProto(model.recipe);
  for (const Selection& selection : selections) {
    *request.add_selections() = proto::ToProto(selection);
  }
  request.mutable_check()->set_digest(options.digest);

  Call call(options_, std::move(stop));
  const auto reader = stub_->InitializeModel(call.context(), request);
  ChunkReceiver chunks(model.plan, *bound, options.digest, receiver);
  v1::WeightChunk chunk;
  while (reader->Read(&chunk)) {
    if (absl::Status status = chunks.Take(chunk); !status.ok()) {
      return Abandon(call, *reader, status);
    }
  }
  absl::Status status = call.Result(reader->Finish(), options_.target);
  if (status.ok()) return chunks.Finish();
  if (chunks.bytes_taken() > 0 && absl::IsUnavailable(status)) {
    return absl::UnavailableError("the connection broke after " +
                                  std::to_string(chunks.bytes_taken()) +
                                  " bytes: " + std::string(status.message()));
  }
  return status;
}

absl::Status RemoteBackend::Summarize(
    const Model& model, std::span<const Selection> selections, int histogram_bins,
    const std::function<absl::Status(const v1::SummarizeResponse&)>& take, std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  v1::SummarizeRequest request;
  *request.mutable_recipe() = proto::ToProto(model.recipe);
  for (const Selection& selection : selections) {
    *request.add_selections() = proto::ToProto(selection);
  }
  request.set_histogram_bins(static_cast<std::uint32_t>(histogram_bins));

  Call call(options_, std::move(stop));
  const auto reader = stub_->Summarize(call.context(), request);
  std::size_t next = 0;
  v1::SummarizeResponse response;
  while (reader->Read(&response)) {
    absl::Status status;
    if (next == bound->size() || response.selection() != next ||
        response.name() !=
            model.plan.tensors[static_cast<std::size_t>((*bound)[next].tensor)].name ||
        response.count() != static_cast<std::uint64_t>((*bound)[next].count)) {
      status = absl::DataLossError("the server describes another tensor than was asked for");
    } else {
      status = take(response);
    }
    if (!status.ok()) return Abandon(call, *reader, status);
    ++next;
  }
  absl::Status status = call.Result(reader->Finish(), options_.target);
  if (status.ok() && next != bound->size()) {
    return absl::DataLossError("the server described fewer tensors than were asked for");
  }
  return status;
}

absl::StatusOr<v1::GetCapabilitiesResponse> RemoteBackend::GetCapabilities(std::stop_token stop) {
  Call call(options_, std::move(stop));
  v1::GetCapabilitiesResponse response;
  const grpc::Status status = stub_->GetCapabilities(call.context(), {}, &response);
  if (!status.ok()) return call.Result(status, options_.target);
  return response;
}

absl::StatusOr<Health> RemoteBackend::CheckHealth(std::stop_token stop) {
  Call call(options_, std::move(stop));
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(v1::WeightInitService::service_full_name());
  grpc::health::v1::HealthCheckResponse response;
  const grpc::Status status = stub->Check(call.context(), request, &response);
  if (!status.ok()) return call.Result(status, options_.target);
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING ? Health::kServing
                                                                             : Health::kNotServing;
}

}  // namespace weightinit::client
