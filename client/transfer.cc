#include "client/transfer.h"

#include <algorithm>
#include <exception>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include "client/chunk_message.h"
#include "client/printable.h"
#include "client/weights_reader.h"
#include "proto/convert.h"
#include "proto/convert_status.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::client {
namespace {

// So often in a row a server may have no room for a call before its connection is given up: others
// read then.
constexpr int kMostBusy = 3;

// What a server may say to a fingerprint that it would not say to the recipe: that it knows none,
// or knows it by a recipe that renames tensors in another way.
bool MayBeMisread(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

// Takes the values of a batch for the receiver of all.
class Transfer::PartReceiver final : public Receiver {
 public:
  PartReceiver(Transfer& transfer, std::span<const TransferPart> parts)
      : transfer_(transfer), parts_(parts) {}

  bool in_order() const override { return true; }
  absl::Status Take(std::size_t part, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override {
    transfer_.bytes_taken_.fetch_add(static_cast<std::int64_t>(bytes.size()),
                                     std::memory_order_relaxed);
    return transfer_.receiver_.Take(parts_[part].selection, byte_offset, bytes);
  }
  absl::Status Done(std::size_t part, std::uint64_t digest) override {
    return transfer_.Done(parts_[part].selection, digest);
  }

 private:
  Transfer& transfer_;
  const std::span<const TransferPart> parts_;
};

Transfer::Transfer(const Model& model, std::span<const Selection> selections,
                   std::span<const BoundSelection> bound, TransferOptions options,
                   KnownRecipes& known, Receiver& receiver)
    : model_(model),
      selections_(selections),
      bound_(bound),
      options_(std::move(options)),
      known_(known),
      receiver_(receiver),
      progress_(bound.size()) {}

absl::Status Transfer::Run(std::span<const std::shared_ptr<grpc::Channel>> channels,
                           const std::stop_token& stop) {
  const std::stop_callback stopped(stop, [this] { stop_.request_stop(); });
  for (Batch& batch : PlanTransfer(bound_, static_cast<int>(channels.size()), [this](int tensor) {
         return IsMadeWhole(model_.plan, tensor);
       })) {
    for (const TransferPart& part : batch) ++progress_[part.selection].parts_left;
    to_do_.push_back({.parts = std::move(batch), .unchecked = {}});
  }
  threads_ = std::clamp<std::size_t>(to_do_.size(), 1, channels.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1, count = threads_; i < count; ++i) {
      try {
        threads.emplace_back([this, channel = channels[i]] { Work(channel); });
      } catch (const std::system_error&) {  // fewer threads do the same work
        const std::lock_guard lock(mutex_);
        --threads_;
      }
    }
    Work(channels[0]);
  }
  const std::lock_guard lock(mutex_);
  return stop.stop_requested() && !status_.ok() ? absl::CancelledError("interrupted") : status_;
}

void Transfer::Work(const std::shared_ptr<grpc::Channel>& channel) {
  try {
    int busy = 0;
    for (std::optional<Rest> rest = Next(); rest && ReadRest(channel, *rest, busy);) rest = Next();
  } catch (const std::exception& error) {  // memory
    Fail(absl::ResourceExhaustedError(error.what()));
  }
}

void Transfer::Fail(const absl::Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = status;
  }
  stop_.request_stop();
}

std::optional<Transfer::Rest> Transfer::Next() {
  const std::lock_guard lock(mutex_);
  if (to_do_.empty()) {
    --threads_;
    return std::nullopt;
  }
  Rest rest = std::move(to_do_.front());
  to_do_.pop_front();
  if (to_do_.empty()) all_taken_.notify_all();
  return rest;
}

bool Transfer::HasOthers() {
  const std::lock_guard lock(mutex_);
  return threads_ > 1;
}

bool Transfer::PutBack(const Rest& rest, bool leaves) {
  const std::lock_guard lock(mutex_);
  to_do_.push_front(rest);
  if (!leaves || threads_ == 1) return true;
  --threads_;
  return false;
}

bool Transfer::ReadRest(const std::shared_ptr<grpc::Channel>& channel, Rest& rest, int& busy) {
  std::optional<Backoff> backoff;  // a seed costs as much as a small call, and few need one
  for (;;) {
    const bool has_others = HasOthers();
    const Outcome outcome = Try(channel, rest);
    if (outcome.status.ok()) {
      busy = 0;
      break_told_ = false;
      return true;
    }
    // A server without room for one more stream still answers those that it has.
    if (has_others && IsBusy(outcome.status)) {
      if (!PutBack(rest, ++busy >= kMostBusy)) return false;
      WaitForTurn(proto::DetailsOf(outcome.status).retry_delay.value_or(std::chrono::seconds(1)));
      return true;
    }
    if (!backoff) backoff.emplace(options_.retry_for, std::random_device()());
    const auto delay = DelayOf(outcome, *backoff);
    if (!delay.has_value()) {
      Fail(GivenUp(outcome));
      return false;
    }
    if (options_.on_break && !break_told_.exchange(true)) options_.on_break(outcome.status);
    if (!WaitToRetry(*channel, outcome.status, *delay, options_.deadline, stop_.get_token())) {
      Fail(absl::CancelledError("interrupted"));
      return false;
    }
  }
}

absl::Status Transfer::GivenUp(const Outcome& outcome) const {
  const std::int64_t taken = bytes_taken_;
  if (taken == 0 || !outcome.is_servers || !IsBroken(outcome.status)) return outcome.status;
  return absl::Status(outcome.status.code(),
                      "the connection broke after " + std::to_string(taken) +
                          " bytes: " + std::string(outcome.status.message()));
}

std::optional<std::chrono::milliseconds> Transfer::DelayOf(const Outcome& outcome,
                                                           Backoff& backoff) {
  if (!outcome.is_servers || stop_.stop_requested()) return std::nullopt;
  if (outcome.something_came) backoff.Reset();
  if (IsNotServing(outcome.status)) was_connected_ = true;
  const Reached reached = bytes_taken_ > 0 ? Reached::kValues
                          : was_connected_ ? Reached::kServer
                                           : Reached::kNobody;
  return DelayAfter(outcome.status, reached, backoff);
}

void Transfer::WaitForTurn(std::chrono::milliseconds delay) {
  std::unique_lock lock(mutex_);
  all_taken_.wait_until(lock, stop_.get_token(), EndOf(delay, options_.deadline),
                        [this] { return to_do_.empty(); });
}

Transfer::Outcome Transfer::Try(const std::shared_ptr<grpc::Channel>& channel, Rest& rest) {
  if (!was_connected_ && IsConnected(*channel, options_.deadline, stop_.get_token())) {
    was_connected_ = true;
  }
  if (rest.unchecked.has_value()) {
    const Outcome outcome =
        Ask([&](bool by_fingerprint) { return Check(channel, *rest.unchecked, by_fingerprint); });
    if (!outcome.status.ok()) return outcome;
    rest.unchecked.reset();
  }
  if (rest.parts.empty()) return {};
  return Ask([&](bool by_fingerprint) { return ReadOnce(channel, rest, by_fingerprint); });
}

template <typename Function>
Transfer::Outcome Transfer::Ask(const Function& call) {
  const bool by_fingerprint = !known_.IsUnknown(model_.plan.fingerprint);
  const Outcome outcome = call(by_fingerprint);
  if (!by_fingerprint || !outcome.misread) return outcome;
  known_.Missed(model_.plan.fingerprint);
  return call(false);
}

template <typename Request>
Request Transfer::RequestFor(bool by_fingerprint) const {
  Request request;
  if (by_fingerprint) {
    request.set_fingerprint(proto::FingerprintToBytes(model_.plan.fingerprint));
  } else {
    *request.mutable_recipe() = proto::ToProto(model_.recipe);
  }
  return request;
}

Transfer::Outcome Transfer::ReadOnce(const std::shared_ptr<grpc::Channel>& channel, Rest& rest,
                                     bool by_fingerprint) {
  auto request = RequestFor<v1::InitializeModelRequest>(by_fingerprint);
  // Behind a fingerprint, everything may be in another order.
  if (by_fingerprint || !IsEverything(rest.parts)) {
    for (const TransferPart& part : rest.parts) {
      *request.add_selections() = proto::ToProto(SelectionOf(part, by_fingerprint));
    }
  }
  request.mutable_check()->set_digest(options_.digest);

  std::vector<BoundSelection> bound;
  for (const TransferPart& part : rest.parts) bound.push_back(BoundOf(part));
  PartReceiver parts(*this, rest.parts);
  ChunkReceiver chunks(model_.plan, bound, options_.digest, parts);
  Call call(options_.deadline, stop_.get_token());
  WeightsReader reader(channel, *call.context(), request);
  for (grpc::ByteBuffer message; reader.Read(&message);) {
    const bool is_first = !chunks.has_begun();
    const absl::StatusOr<ChunkMessage> chunk = ParseChunk(message);
    const absl::Status status = chunk.ok() ? chunks.Take(*chunk) : chunk.status();
    if (!status.ok()) {
      return {.status = status, .misread = !chunks.has_begun() && MayBeMisread(status)};
    }
    if (is_first) known_.Answered(model_.plan.fingerprint, !by_fingerprint);
  }
  const absl::Status status = call.Result(reader.Finish(), options_.target);
  if (status.ok()) return {.status = chunks.Finish()};
  if (!chunks.has_begun() && MayBeMisread(status)) {
    return {.status = status, .is_servers = true, .misread = true};
  }

  const auto done = static_cast<std::ptrdiff_t>(chunks.selections_done());
  const std::int64_t taken = chunks.elements_taken();
  rest.parts.erase(rest.parts.begin(), rest.parts.begin() + done);
  if (rest.parts.empty()) return {};  // all came, with trailers: what the call says is late
  if (taken > 0) {
    TransferPart& part = rest.parts[0];
    if (options_.digest) {
      rest.unchecked = Unchecked{{part.selection, part.first, taken}, chunks.digest()};
    }
    part.first += taken;
    part.count -= taken;
    const std::lock_guard lock(mutex_);
    progress_[part.selection].digest += chunks.digest();
  }
  return {.status = status, .is_servers = true, .something_came = done > 0 || taken > 0};
}

Transfer::Outcome Transfer::Check(const std::shared_ptr<grpc::Channel>& channel,
                                  const Unchecked& unchecked, bool by_fingerprint) {
  auto request = RequestFor<v1::SummarizeRequest>(by_fingerprint);
  *request.add_selections() = proto::ToProto(SelectionOf(unchecked.part, by_fingerprint));
  Call call(options_.deadline, stop_.get_token());
  const auto reader = v1::WeightInitService::NewStub(channel)->Summarize(call.context(), request);
  v1::SummarizeResponse summary, more;
  const bool is_there = reader->Read(&summary);
  while (reader->Read(&more)) {
  }
  const absl::Status status = call.Result(reader->Finish(), options_.target);
  if (!status.ok()) {
    return {.status = status, .is_servers = true, .misread = MayBeMisread(status)};
  }
  if (is_there && summary.digest() == unchecked.digest) return {};
  const auto tensor = static_cast<std::size_t>(bound_[unchecked.part.selection].tensor);
  return {.status = absl::DataLossError("tensor '" + Printable(model_.plan.tensors[tensor].name) +
                                        "': the digest of what came before the connection broke is "
                                        "not the server's")};
}

Selection Transfer::SelectionOf(const TransferPart& part, bool by_fingerprint) const {
  const BoundSelection& bound = bound_[part.selection];
  const std::int64_t element = SizeBytes(bound.dtype);
  Selection selection;
  if (!selections_.empty()) selection = selections_[part.selection];
  // Fingerprints know of no renames.
  if (by_fingerprint || selections_.empty()) {
    selection.name = model_.plan.tensors[static_cast<std::size_t>(bound.tensor)].name;
  }
  selection.first_byte = (bound.first + part.first) * element;
  selection.byte_count = part.count * element;
  return selection;
}

BoundSelection Transfer::BoundOf(const TransferPart& part) const {
  return Part(bound_[part.selection], part.first, part.count);
}

// Then the request need not list it.
bool Transfer::IsEverything(std::span<const TransferPart> parts) const {
  return selections_.empty() && parts.size() == bound_.size() &&
         std::all_of(parts.begin(), parts.end(), [this](const TransferPart& part) {
           return part.count == bound_[part.selection].count;
         });
}

absl::Status Transfer::Done(std::size_t selection, std::uint64_t digest) {
  std::uint64_t sum = 0;
  {
    const std::lock_guard lock(mutex_);
    Progress& progress = progress_[selection];
    progress.digest += digest;  // mod 2^64; digests of parts add up
    if (--progress.parts_left > 0) return absl::OkStatus();
    sum = progress.digest;
  }
  return receiver_.Done(selection, sum);
}

}  // namespace weightinit::client
