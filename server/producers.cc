#include "server/producers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "grpcpp/support/proto_buffer_reader.h"
#include "grpcpp/support/slice.h"
#include "server/envelope.h"
#include "server/hand_over.h"
#include "server/refusals.h"
#include "weightinit/sink.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

template <typename Request>
absl::StatusOr<Request> Parse(const grpc::ByteBuffer& bytes) {
  grpc::ByteBuffer shared = bytes;  // a reference: the reader may not write to the caller's
  grpc::ProtoBufferReader reader(&shared);
  Request request;
  if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
    return absl::InvalidArgumentError("the request is not a valid " +
                                      Request::descriptor()->full_name());
  }
  return request;
}

// Requests of at most this size are resolved in some ten microseconds, unless they bring regexes or
// ask for everything behind a fingerprint, however much that is.
constexpr std::size_t kSmallRequestBytes = 512;
bool MayBeMuch(const v1::InitializeTensorRequest&) { return false; }
bool MayBeMuch(const v1::InitializeModelRequest& request) {
  return request.recipe().rules_size() > 0 || request.recipe().renames_size() > 0 ||
         (request.has_fingerprint() && request.selections().empty());
}

// Tells what was drawn of `selections`, of each kind at once.
CallFacts TellDrawn(const std::vector<PlannedSelection>& selections,
                    const std::function<std::int64_t(std::size_t)>& elements_of,
                    CallObserver& observer) {
  CallFacts facts;
  if (selections.empty()) return facts;
  struct Drawn {
    const Initializer* init = nullptr;
    std::int64_t elements = 0;
  };
  std::map<std::pair<std::size_t, DType>, Drawn> kinds;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const auto& [plan, selection] = selections[i];
    const TensorPlan& tensor = plan->tensors[static_cast<std::size_t>(selection.tensor)];
    if (i == 0) facts.tensor = tensor.name;
    const std::int64_t elements = elements_of(i);
    if (elements == 0) continue;
    Drawn& kind = kinds[{tensor.init.index(), selection.dtype}];
    kind.init = &tensor.init;
    kind.elements += elements;
    facts.bytes += elements * SizeBytes(selection.dtype);
  }
  facts.selections = selections.size();
  for (const auto& [kind, drawn] : kinds)
    observer.OnDrawn(*drawn.init, kind.second, drawn.elements);
  return facts;
}

template <typename Request>
class Weights final : public Producer<grpc::ByteBuffer> {
 public:
  Weights(const Workshop& workshop, const grpc::ByteBuffer& request)
      : workshop_(workshop), bytes_(request) {
    if (bytes_.Length() > kSmallRequestBytes) return;
    absl::StatusOr<Request> parsed = Parse<Request>(bytes_);
    is_trivial_ = parsed.ok() && !MayBeMuch(*parsed);
  }

  absl::StatusOr<StreamMemory::Share> Start(const std::function<bool()>& cancelled) override {
    if (absl::Status status = workshop_.resolver.CheckRequestBytes(bytes_.Length()); !status.ok()) {
      return status;
    }
    absl::StatusOr<Request> request = Parse<Request>(bytes_);
    bytes_.Clear();
    if (!request.ok()) return request.status();
    absl::StatusOr<ResolvedRequest> resolved = workshop_.resolver.Resolve(*request, cancelled);
    if (!resolved.ok()) return resolved.status();
    stream_.emplace(workshop_.engine, workshop_.buffers, workshop_.chunk_bytes,
                    std::move(resolved->selections), resolved->check);
    return TakeMemory();
  }

  Effort NextEffort() const override {
    if (stream_) return stream_->NextEffort();
    return is_trivial_ ? Effort::kTrivial : Effort::kShort;
  }

  absl::StatusOr<std::optional<grpc::ByteBuffer>> Next(
      const std::function<bool()>& cancelled) override {
    auto chunk = stream_->Next(cancelled);
    if (!chunk.ok()) return chunk.status();
    if (!chunk->has_value()) return std::nullopt;
    return ToByteBuffer(**std::move(chunk));
  }

  bool IsDone() const override { return stream_->is_done(); }

  CallFacts End(CallObserver& observer) override {
    if (!stream_) return {};
    return TellDrawn(
        stream_->selections(), [this](std::size_t i) { return stream_->drawn(i); }, observer);
  }

 private:
  // For as many chunks as there may be at one time, or for all that it is.
  absl::StatusOr<StreamMemory::Share> TakeMemory() {
    StreamMemory& memory = workshop_.memory;
    StreamMemory::Share share = memory.TryTake(
        std::min(stream_->num_bytes(), workshop_.chunks_per_stream * workshop_.chunk_bytes));
    if (share != nullptr) return share;
    return Busy("the memory for chunks, " + std::to_string(memory.max_bytes()) +
                    " bytes, is taken by other streams",
                "max_stream_bytes", memory.max_bytes());
  }

  const Workshop workshop_;
  grpc::ByteBuffer bytes_;  // of the request, until it is read
  bool is_trivial_ = false;
  std::optional<ChunkStream> stream_;
};

class PlanMessages final : public Producer<v1::PlanResponse> {
 public:
  PlanMessages(const Workshop& workshop, const v1::PlanRequest& request)
      : workshop_(workshop), request_(request) {}

  absl::StatusOr<StreamMemory::Share> Start(const std::function<bool()>& cancelled) override {
    absl::Status status = workshop_.resolver.CheckRequestBytes(request_.ByteSizeLong());
    if (!status.ok()) return status;
    auto messages = workshop_.resolver.Plan(request_, cancelled);
    if (!messages.ok()) return messages.status();
    messages_ = *std::move(messages);
    is_resolved_ = true;
    return nullptr;
  }

  Effort NextEffort() const override { return is_resolved_ ? Effort::kTrivial : Effort::kShort; }

  absl::StatusOr<std::optional<v1::PlanResponse>> Next(const std::function<bool()>&) override {
    if (next_ == messages_.size()) return std::nullopt;
    return std::move(messages_[next_++]);
  }

  bool IsDone() const override { return next_ == messages_.size(); }

  CallFacts End(CallObserver&) override { return {}; }

 private:
  const Workshop workshop_;
  const v1::PlanRequest& request_;  // gRPC keeps it until the call is done
  bool is_resolved_ = false;
  std::vector<v1::PlanResponse> messages_;
  std::size_t next_ = 0;
};

// The histogram's edges: the bounds that the values keep, or six standard deviations about the
// mean.
std::pair<double, double> HistogramEdges(const Expected& expected) {
  constexpr double kSigmas = 6;
  const double low =
      std::isfinite(expected.min) ? expected.min : expected.mean - kSigmas * expected.std;
  const double high =
      std::isfinite(expected.max) ? expected.max : expected.mean + kSigmas * expected.std;
  return {low, std::max(low, high)};
}

class Summaries final : public Producer<v1::SummarizeResponse> {
 public:
  Summaries(const Workshop& workshop, const v1::SummarizeRequest& request)
      : workshop_(workshop), request_(request) {}

  absl::StatusOr<StreamMemory::Share> Start(const std::function<bool()>& cancelled) override {
    absl::Status status = workshop_.resolver.CheckRequestBytes(request_.ByteSizeLong());
    if (!status.ok()) return status;
    absl::StatusOr<ResolvedSummary> resolved = workshop_.resolver.Resolve(request_, cancelled);
    if (!resolved.ok()) return resolved.status();
    resolved_ = *std::move(resolved);
    return nullptr;
  }

  // A whole selection goes into one message.
  Effort NextEffort() const override {
    return next_ < resolved_.selections.size() ? Effort::kLong : Effort::kShort;
  }

  absl::StatusOr<std::optional<v1::SummarizeResponse>> Next(
      const std::function<bool()>& cancelled) override {
    if (next_ == resolved_.selections.size()) return std::nullopt;
    return Summarize(next_++, cancelled);
  }

  bool IsDone() const override { return next_ == resolved_.selections.size(); }

  CallFacts End(CallObserver& observer) override {
    const auto elements_of = [this](std::size_t i) {
      return i < next_ ? resolved_.selections[i].selection.count : 0;
    };
    return TellDrawn(resolved_.selections, elements_of, observer);
  }

 private:
  absl::StatusOr<std::optional<v1::SummarizeResponse>> Summarize(
      std::size_t index, const std::function<bool()>& cancelled) {
    const auto& [plan, selection] = resolved_.selections[index];
    const auto [low, high] =
        HistogramEdges(plan->tensors[static_cast<std::size_t>(selection.tensor)].expected);
    SummarySink summary(low, high, resolved_.histogram_bins);
    DigestSink digest;
    TeeSink both({&summary, &digest});
    const absl::Status status = workshop_.engine.Fill(*plan, selection, both, cancelled);
    if (!status.ok()) return status;
    v1::SummarizeResponse response =
        proto::SummaryToProto(*plan, selection, summary.Result(), digest.digest());
    response.set_selection(static_cast<std::uint32_t>(index));
    return response;
  }

  const Workshop workshop_;
  const v1::SummarizeRequest& request_;  // gRPC keeps it until the call is done
  ResolvedSummary resolved_;
  std::size_t next_ = 0;
};

}  // namespace

grpc::ByteBuffer ToByteBuffer(Chunk chunk) {
  const std::string envelope = Envelope(chunk);
  grpc::Slice slices[2] = {grpc::Slice(envelope), grpc::Slice()};
  const std::size_t size = chunk.values.bytes().size();
  if (size == 0) return grpc::ByteBuffer(slices, 1);
  // gRPC lets go of the buffer when the last byte has left, on a thread of its own.
  auto* values = new Buffer(std::move(chunk.values));
  const auto free = [](void* buffer) {
    TakeOver(buffer);
    delete static_cast<Buffer*>(buffer);
  };
  slices[1] = grpc::Slice(values->bytes().data(), size, free, values);
  HandOver(values);
  return grpc::ByteBuffer(slices, 2);
}

template <typename Request>
std::unique_ptr<Producer<grpc::ByteBuffer>> MakeWeights(const Workshop& workshop,
                                                        const grpc::ByteBuffer& request) {
  return std::make_unique<Weights<Request>>(workshop, request);
}
template std::unique_ptr<Producer<grpc::ByteBuffer>> MakeWeights<v1::InitializeTensorRequest>(
    const Workshop&, const grpc::ByteBuffer&);
template std::unique_ptr<Producer<grpc::ByteBuffer>> MakeWeights<v1::InitializeModelRequest>(
    const Workshop&, const grpc::ByteBuffer&);

std::unique_ptr<Producer<v1::PlanResponse>> MakePlan(const Workshop& workshop,
                                                     const v1::PlanRequest& request) {
  return std::make_unique<PlanMessages>(workshop, request);
}

std::unique_ptr<Producer<v1::SummarizeResponse>> MakeSummaries(
    const Workshop& workshop, const v1::SummarizeRequest& request) {
  return std::make_unique<Summaries>(workshop, request);
}

}  // namespace weightinit::server
