#include "client/local_backend.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <utility>

#include "client/plan_merger.h"
#include "proto/convert.h"
#include "weightinit/sink.h"

namespace weightinit::client {
namespace {

// Hands every piece to the receiver on the thread that drew it: writing then costs no hand-over and
// no memory of its own.
class ReceiverSink final : public Sink {
 public:
  ReceiverSink(std::size_t index, std::int64_t first_byte, bool digest, Receiver& receiver)
      : index_(index), first_byte_(first_byte), digest_wanted_(digest), receiver_(receiver) {}

  void Take(const Piece& piece) override {
    if (failed()) return;
    if (digest_wanted_) digest_ += DigestOf(piece);
    absl::Status status =
        receiver_.Take(index_, first_byte_ + piece.offset * SizeBytes(piece.dtype), piece.values);
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (!failed_) status_ = std::move(status);
    failed_ = true;
  }

  bool failed() const { return failed_; }
  std::uint64_t digest() const { return digest_; }
  // After Fill has returned.
  const absl::Status& status() const { return status_; }

 private:
  const std::size_t index_;
  const std::int64_t first_byte_;
  const bool digest_wanted_;
  Receiver& receiver_;
  std::atomic<std::uint64_t> digest_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  absl::Status status_;
};

// Where a histogram begins and ends: the plan's bounds, or 6 standard deviations about the mean, as
// the API says.
std::pair<double, double> HistogramBounds(const Expected& expected) {
  const double low = std::isfinite(expected.min) ? expected.min : expected.mean - 6 * expected.std;
  const double high = std::isfinite(expected.max) ? expected.max : expected.mean + 6 * expected.std;
  return {low, std::max(low, high)};
}

// The engine says that it was cancelled; whoever stopped it reads the same words as with a server.
absl::Status Outcome(const absl::Status& status, const std::stop_token& stop) {
  return absl::IsCancelled(status) && stop.stop_requested() ? absl::CancelledError("interrupted")
                                                            : status;
}

}  // namespace

absl::StatusOr<PlanAnswer> LocalBackend::Plan(const Recipe& recipe, std::stop_token) {
  // As the service does: what is missing is reported as data.
  Recipe relaxed = recipe;
  relaxed.allow_uncovered = true;
  relaxed.allow_idle = true;
  absl::StatusOr<ModelPlan> plan = Resolve(relaxed);
  if (!plan.ok()) return plan.status();
  PlanMerger merger(recipe.tensors.size());
  for (const v1::PlanResponse& response : proto::PlanToProto(*plan, recipe)) {
    if (absl::Status status = merger.Take(response); !status.ok()) return status;
  }
  return merger.Finish();
}

absl::StatusOr<std::vector<BoundSelection>> LocalBackend::BindWithinLimits(
    const Model& model, std::span<const Selection> selections) const {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound;
  const Limits limits{.max_response_bytes = std::numeric_limits<std::int64_t>::max(),
                      .max_matrix_bytes = max_matrix_bytes_};
  if (absl::Status status = CheckLimits(model.plan, *bound, limits); !status.ok()) return status;
  return bound;
}

absl::Status LocalBackend::Read(const Model& model, std::span<const Selection> selections,
                                const ReadOptions& options, Receiver& receiver,
                                std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindWithinLimits(model, selections);
  if (!bound.ok()) return bound.status();
  for (std::size_t i = 0; i < bound->size(); ++i) {
    const auto read =
        receiver.in_order() ? &LocalBackend::ReadInOrder : &LocalBackend::ReadAnyOrder;
    absl::Status status = (this->*read)(model.plan, (*bound)[i], i, options.digest, receiver, stop);
    if (!status.ok()) return Outcome(status, stop);
  }
  return absl::OkStatus();
}

absl::Status LocalBackend::ReadAnyOrder(const ModelPlan& plan, const BoundSelection& selection,
                                        std::size_t index, bool digest, Receiver& receiver,
                                        std::stop_token stop) {
  ReceiverSink sink(index, selection.first * SizeBytes(selection.dtype), digest, receiver);
  const absl::Status status =
      engine_.Fill(plan, selection, sink, [&] { return stop.stop_requested() || sink.failed(); });
  if (sink.failed()) return sink.status();
  if (!status.ok()) return status;
  return receiver.Done(index, sink.digest());
}

absl::Status LocalBackend::ReadInOrder(const ModelPlan& plan, const BoundSelection& selection,
                                       std::size_t index, bool digest, Receiver& receiver,
                                       std::stop_token stop) {
  // Large enough for all threads to have work, small enough to stay in the cache.
  constexpr std::int64_t kBufferBytes = std::int64_t{4} << 20;
  const std::int64_t element = SizeBytes(selection.dtype);
  const std::int64_t step = kBufferBytes / element;
  const auto buffer_size = static_cast<std::size_t>(std::min(selection.count, step) * element);
  const std::unique_ptr<std::byte[]> buffer(new std::byte[buffer_size]);
  DigestSink digest_sink;
  for (std::int64_t done = 0; done < selection.count; done += step) {
    const std::int64_t count = std::min(step, selection.count - done);
    const std::span bytes(buffer.get(), static_cast<std::size_t>(count * element));
    BytesSink bytes_sink(bytes, selection.dtype);
    TeeSink both({&bytes_sink, &digest_sink});
    Sink& sink = digest ? static_cast<Sink&>(both) : bytes_sink;
    absl::Status status = engine_.Fill(plan, Part(selection, done, count), sink,
                                       [&stop] { return stop.stop_requested(); });
    if (status.ok()) {
      status = receiver.Take(index, (selection.first + done) * element, bytes);
    }
    if (!status.ok()) return status;
  }
  return receiver.Done(index, digest_sink.digest());
}

absl::Status LocalBackend::Summarize(
    const Model& model, std::span<const Selection> selections, int histogram_bins,
    const std::function<absl::Status(const v1::SummarizeResponse&)>& take, std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindWithinLimits(model, selections);
  if (!bound.ok()) return bound.status();
  for (std::size_t i = 0; i < bound->size(); ++i) {
    const BoundSelection& selection = (*bound)[i];
    const Expected& expected =
        model.plan.tensors[static_cast<std::size_t>(selection.tensor)].expected;
    const auto [low, high] = HistogramBounds(expected);
    SummarySink summary(low, high, histogram_bins);
    DigestSink digest;
    TeeSink both({&summary, &digest});
    absl::Status status =
        engine_.Fill(model.plan, selection, both, [&stop] { return stop.stop_requested(); });
    if (status.ok()) {
      v1::SummarizeResponse response =
          proto::SummaryToProto(model.plan, selection, summary.Result(), digest.digest());
      response.set_selection(static_cast<std::uint32_t>(i));
      status = take(response);
    }
    if (!status.ok()) return Outcome(status, stop);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::GetCapabilitiesResponse> LocalBackend::GetCapabilities(std::stop_token) {
  v1::GetCapabilitiesResponse capabilities = proto::LibraryCapabilities();
  capabilities.set_threads(static_cast<std::uint32_t>(engine_.threads()));
  return capabilities;
}

}  // namespace weightinit::client
