#include "server/chunk_stream.h"

#include <algorithm>
#include <span>
#include <utility>

namespace weightinit::server {

ChunkStream::ChunkStream(const Engine& engine, std::shared_ptr<BufferPool> buffers,
                         std::int64_t chunk_bytes, std::vector<PlannedSelection> selections,
                         proto::Check check)
    : engine_(engine),
      buffers_(std::move(buffers)),
      chunk_bytes_(chunk_bytes),
      selections_(std::move(selections)),
      check_(check) {}

bool ChunkStream::IsNextLong() const {
  if (selection_ == selections_.size()) return false;
  const PlannedSelection& planned = selections_[selection_];
  return IsMadeWhole(*planned.plan, planned.selection.tensor);
}

absl::StatusOr<std::optional<Chunk>> ChunkStream::Next(const std::function<bool()>& cancelled) {
  if (selection_ == selections_.size()) return std::nullopt;
  const PlannedSelection& planned = selections_[selection_];
  const BoundSelection& selection = planned.selection;
  const std::int64_t element_bytes = SizeBytes(selection.dtype);

  Chunk chunk;
  chunk.selection = static_cast<std::uint32_t>(selection_);
  chunk.byte_offset = static_cast<std::uint64_t>((selection.first + done_) * element_bytes);
  if (done_ == 0) chunk.header = proto::HeaderToProto(*planned.plan, selection);

  const std::int64_t count = std::min(selection.count - done_, chunk_bytes_ / element_bytes);
  if (absl::Status status = Draw(planned, count, chunk, cancelled); !status.ok()) return status;
  done_ += count;
  if (done_ == selection.count) {
    chunk.trailer = Trailer();
    ++selection_;
    done_ = 0;
  }
  return chunk;
}

absl::Status ChunkStream::Draw(const PlannedSelection& planned, std::int64_t count, Chunk& chunk,
                               const std::function<bool()>& cancelled) {
  const BoundSelection part = Part(planned.selection, done_, count);
  chunk.values = buffers_->Take(static_cast<std::size_t>(part.num_bytes()));
  if (count > 0) {
    BytesSink bytes(chunk.values.bytes(), part.dtype);
    DigestSink digest;
    TeeSink both({&bytes, &digest});
    Sink& sink = check_.digest ? static_cast<Sink&>(both) : bytes;
    const absl::Status status = engine_.FillHere(*planned.plan, part, sink, cancelled);
    if (!status.ok()) return status;
    digest_ += digest.digest();  // mod 2^64; digests of parts add up
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
