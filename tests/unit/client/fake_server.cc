#include "tests/unit/client/fake_server.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "proto/convert.h"
#include "tests/unit/client/testing.h"

namespace weightinit::client {
namespace {

struct Question {
  ModelPlan plan;
  std::vector<BoundSelection> selections;
};

grpc::Status Unknown() {
  return proto::ToGrpcStatus(proto::WithDetails(
      absl::FailedPreconditionError("fingerprint: not known here"),
      {.reason = std::string(proto::kRecipeUnknown), .metadata = {}, .retry_delay = {}}));
}

absl::StatusOr<Question> Bound(ModelPlan plan,
                               const std::vector<proto::RequestedSelection>& requested) {
  std::vector<Selection> selections;
  for (const proto::RequestedSelection& one : requested) selections.push_back(one.selection);
  Question question{std::move(plan), {}};
  auto bound = BindAll(question.plan, selections);
  if (!bound.ok()) return bound.status();
  question.selections = *std::move(bound);
  return question;
}

}  // namespace

std::optional<ModelPlan> FakeServer::Find(const proto::RecipeSource& source) {
  const std::lock_guard lock(mutex_);
  if (const Fingerprint* fingerprint = std::get_if<Fingerprint>(&source)) {
    const auto known = recipes_.find(*fingerprint);
    if (known == recipes_.end()) return std::nullopt;
    return Resolve(known->second).value();
  }
  ModelPlan plan = Resolve(std::get<Recipe>(source)).value();
  recipes_[plan.fingerprint] = std::get<Recipe>(source);
  return plan;
}

void FakeServer::Forget() {
  const std::lock_guard lock(mutex_);
  recipes_.clear();
}

void FakeServer::Teach(const Recipe& recipe) {
  const std::lock_guard lock(mutex_);
  recipes_[Resolve(recipe).value().fingerprint] = recipe;
}

FakeServer::FakeServer(const std::string& address, std::int64_t chunk_bytes)
    : chunk_bytes_(chunk_bytes) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

FakeServer::~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }

void FakeServer::Next(Script script) {
  const std::lock_guard lock(mutex_);
  scripts_.push_back(std::move(script));
}

void FakeServer::Always(Script script) {
  const std::lock_guard lock(mutex_);
  always_ = std::move(script);
}

void FakeServer::NextSummaries(std::size_t count, const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  summary_scripts_.emplace_back(count, status);
}

std::vector<v1::InitializeModelRequest> FakeServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<v1::SummarizeRequest> FakeServer::summaries() const {
  const std::lock_guard lock(mutex_);
  return summaries_;
}

std::vector<std::string> FakeServer::peers() const {
  const std::lock_guard lock(mutex_);
  return peers_;
}

Script FakeServer::TakeScript(const v1::InitializeModelRequest& request, const std::string& peer,
                              bool is_understood) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(request);
  peers_.push_back(peer);
  if (scripts_.empty() || !is_understood) return always_;
  Script script = std::move(scripts_.front());
  scripts_.pop_front();
  return script;
}

grpc::Status FakeServer::InitializeModel(grpc::ServerContext* context,
                                         const v1::InitializeModelRequest* request,
                                         grpc::ServerWriter<v1::WeightChunk>* writer) {
  if (++streams_ > max_streams_) {
    --streams_;
    return Busy(std::chrono::milliseconds(50)).status;
  }
  const grpc::Status status = Answer(context, *request, writer);
  --streams_;
  if (forgets_) Forget();
  return status;
}

grpc::Status FakeServer::Answer(grpc::ServerContext* context,
                                const v1::InitializeModelRequest& request,
                                grpc::ServerWriter<v1::WeightChunk>* writer) {
  const proto::ModelRequest read = proto::FromProto(request).value();
  std::optional<ModelPlan> plan = Find(read.source);
  const Script script = TakeScript(request, context->peer(), plan.has_value());
  if (!plan.has_value()) return Unknown();
  const auto question = Bound(*std::move(plan), read.selections);
  if (!question.ok()) return proto::ToGrpcStatus(question.status());
  std::int64_t left = script.num_bytes;
  for (std::size_t i = 0; i < question->selections.size(); ++i) {
    const BoundSelection& selection = question->selections[i];
    const std::int64_t element = SizeBytes(selection.dtype);
    const auto [values, digest] = Draw(question->plan, selection);
    const auto size = static_cast<std::int64_t>(values.size());
    std::int64_t at = 0;
    do {
      const std::int64_t count = std::min({chunk_bytes_, size - at, left}) / element * element;
      if (count == 0 && size > 0) break;
      v1::WeightChunk chunk;
      chunk.set_selection(static_cast<std::uint32_t>(i));
      if (at == 0) *chunk.mutable_header() = proto::HeaderToProto(question->plan, selection);
      chunk.set_byte_offset(static_cast<std::uint64_t>(selection.first * element + at));
      chunk.set_values(
          values.substr(static_cast<std::size_t>(at), static_cast<std::size_t>(count)));
      if (script.wrong_bits && count > 0) chunk.mutable_values()->front() ^= 1;
      at += count;
      left -= count;
      if (at == size) {
        chunk.mutable_trailer();
        if (request.check().digest()) chunk.mutable_trailer()->set_digest(digest);
      }
      if (!writer->Write(chunk)) {
        ++cancelled_;
        return grpc::Status::CANCELLED;
      }
      bytes_sent_ += count;
    } while (at < size);
    if (at < size) break;
  }
  while (script.hang && !context->IsCancelled()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (script.hang) ++cancelled_;
  return script.status;
}

grpc::Status FakeServer::Summarize(grpc::ServerContext*, const v1::SummarizeRequest* request,
                                   grpc::ServerWriter<v1::SummarizeResponse>* writer) {
  std::pair<std::size_t, grpc::Status> script(std::numeric_limits<std::size_t>::max(),
                                              grpc::Status::OK);
  {
    const std::lock_guard lock(mutex_);
    summaries_.push_back(*request);
    if (!summary_scripts_.empty()) {
      script = summary_scripts_.front();
      summary_scripts_.pop_front();
    }
  }
  const proto::SummaryRequest read = proto::FromProto(*request).value();
  std::optional<ModelPlan> plan = Find(read.source);
  if (!plan.has_value()) return Unknown();
  const auto question = Bound(*std::move(plan), read.selections);
  if (!question.ok()) return proto::ToGrpcStatus(question.status());
  for (std::size_t i = 0; i < std::min(script.first, question->selections.size()); ++i) {
    const BoundSelection& selection = question->selections[i];
    v1::SummarizeResponse response;
    response.set_selection(static_cast<std::uint32_t>(i));
    response.set_name(question->plan.tensors[static_cast<std::size_t>(selection.tensor)].name);
    response.set_count(static_cast<std::uint64_t>(selection.count));
    response.set_digest(Draw(question->plan, selection).digest);
    writer->Write(response);
  }
  return script.second;
}

}  // namespace weightinit::client
