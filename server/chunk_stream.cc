#include "server/chunk_stream.h"

#include <algorithm>
#include <span>
#include <utility>
#include <variant>

namespace weightinit::server {
namespace {

// Are drawn in about ten microseconds.
constexpr std::int64_t kTrivialBytes = std::int64_t{16} << 10;

// Whether all elements are the same.
bool IsOneValue(const PlannedSelection& planned) {
  const int tensor = planned.selection.tensor;
  return std::holds_alternative<IdentityLayout>(
             planned.plan->tensors[static_cast<std::size_t>(tensor)].layout) &&
         std::holds_alternative<FilledWith>(planned.plan->DrawsOf(tensor)[0].distribution);
}

// Whether some values are steps of a stream (torch_cpu), which has no other way to them.
bool HasStream(std::span<const Draw> draws) {
  return std::any_of(draws.begin(), draws.end(),
                     [](const Draw& draw) { return draw.sequence != nullptr; });
}

}  // namespace

ChunkStream::ChunkStream(const Engine& engine, std::shared_ptr<BufferPool> buffers,
                         std::int64_t chunk_bytes, std::vector<PlannedSelection> selections,
                         proto::Check check)
    : engine_(engine),
      buffers_(std::move(buffers)),
      chunk_bytes_(chunk_bytes),
      selections_(std::move(selections)),
      check_(check) {}

std::int64_t ChunkStream::num_bytes() const {
  std::int64_t sum = 0;
  for (const PlannedSelection& planned : selections_) sum += planned.selection.num_bytes();
  return sum;
}

Effort ChunkStream::NextEffort() const {
  if (is_done()) return Effort::kTrivial;
  const auto& [plan, selection] = selections_[selection_];
  const auto draws = plan->DrawsOf(selection.tensor);
  const bool has_stream = HasStream(draws);
  // Each draw's first chunk goes through all that its stream draws before; where several draws are
  // tiled, any chunk may be the first of one.
  const bool may_walk = has_stream && (done_ == 0 || draws.size() > 1);
  if (may_walk || IsMadeWhole(*plan, selection.tensor)) return Effort::kLong;
  if (has_stream || check_.sha256) return Effort::kShort;
  const std::int64_t size = Part(selection, done_, NextCount()).num_bytes();
  const bool is_drawn = size <= static_cast<std::int64_t>(repeated_.bytes().size());
  return is_drawn || size <= kTrivialBytes ? Effort::kTrivial : Effort::kShort;
}

// Elements of the next chunk.
std::int64_t ChunkStream::NextCount() const {
  const BoundSelection& selection = selections_[selection_].selection;
  return std::min(selection.count - done_, chunk_bytes_ / SizeBytes(selection.dtype));
}

absl::StatusOr<std::optional<Chunk>> ChunkStream::Next(const std::function<bool()>& cancelled) {
  if (is_done()) return std::nullopt;
  const PlannedSelection& planned = selections_[selection_];
  const BoundSelection& selection = planned.selection;
  const std::int64_t element_bytes = SizeBytes(selection.dtype);

  Chunk chunk;
  chunk.selection = static_cast<std::uint32_t>(selection_);
  chunk.byte_offset = static_cast<std::uint64_t>((selection.first + done_) * element_bytes);
  if (done_ == 0) chunk.header = proto::HeaderToProto(*planned.plan, selection);

  const std::int64_t count = NextCount();
  if (absl::Status status = Draw(planned, count, chunk, cancelled); !status.ok()) return status;
  done_ += count;
  if (done_ == selection.count) {
    chunk.trailer = Trailer();
    ++selection_;
    done_ = 0;
    repeated_ = Buffer();
  }
  return chunk;
}

absl::Status ChunkStream::Draw(const PlannedSelection& planned, std::int64_t count, Chunk& chunk,
                               const std::function<bool()>& cancelled) {
  const BoundSelection part = Part(planned.selection, done_, count);
  const auto size = static_cast<std::size_t>(part.num_bytes());
  const bool is_drawn = size <= repeated_.bytes().size();
  chunk.values = is_drawn ? repeated_.First(size) : buffers_->Take(size);
  if (!is_drawn) {
    BytesSink bytes(chunk.values.bytes(), part.dtype);
    DigestSink digest;
    TeeSink both({&bytes, &digest});
    Sink& sink = check_.digest ? static_cast<Sink&>(both) : bytes;
    const absl::Status status = engine_.FillHere(*planned.plan, part, sink, cancelled);
    if (!status.ok()) return status;
    digest_ += digest.digest();  // mod 2^64; digests of parts add up
    // Digests know of indices, so that only the bytes repeat themselves.
    if (!check_.digest && IsOneValue(planned)) repeated_ = chunk.values;
  }
  return check_.sha256 ? sha256_.Update(chunk.values.bytes()) : absl::OkStatus();
}

v1::TensorTrailer ChunkStream::Trailer() {
  v1::TensorTrailer trailer;
  if (check_.digest) trailer.set_digest(std::exchange(digest_, 0));
  if (check_.sha256) trailer.set_sha256(sha256_.Finish());
  return trailer;
}

}  // namespace weightinit::server
