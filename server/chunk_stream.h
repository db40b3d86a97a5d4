// Selections as a sequence of chunks. Knows nothing of gRPC.
#ifndef WEIGHTINIT_SERVER_CHUNK_STREAM_H_
#define WEIGHTINIT_SERVER_CHUNK_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "proto/convert.h"
#include "server/buffer_pool.h"
#include "server/effort.h"
#include "server/sha256_stream.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::server {

// Something to draw. The plan is shared with the cache and with other streams.
struct PlannedSelection {
  std::shared_ptr<const ModelPlan> plan;
  BoundSelection selection;
};

// One message of the answer, before it is encoded.
struct Chunk {
  std::uint32_t selection = 0;
  std::uint64_t byte_offset = 0;             // of the values, in the bytes of the slice
  std::optional<v1::TensorHeader> header;    // with a selection's first chunk
  std::optional<v1::TensorTrailer> trailer;  // with its last
  Buffer values;                             // several chunks may share their memory
};

// Draws selections one after the other, a chunk at a time: memory does not depend on how much is
// asked for. A selection without bytes is one chunk with header and trailer.
//
// Thread-safety: for use by one thread at a time.
class ChunkStream {
 public:
  // `engine` must outlive this. REQUIRES: chunk_bytes ≥ 8 and no larger than the pool's buffers
  ChunkStream(const Engine& engine, std::shared_ptr<BufferPool> buffers, std::int64_t chunk_bytes,
              std::vector<PlannedSelection> selections, proto::Check check);

  const std::vector<PlannedSelection>& selections() const { return selections_; }

  // Of all selections.
  std::int64_t num_bytes() const;

  // Elements that have been drawn of selection `index`. REQUIRES: index < selections().size()
  std::int64_t drawn(std::size_t index) const {
    if (index == selection_) return done_;
    return index < selection_ ? selections_[index].selection.count : 0;
  }

  // What the next chunk costs. Long: it may need a matrix that must be made first, or values far
  // into a stream (torch_cpu).
  Effort NextEffort() const;

  // Whether the last chunk has been drawn.
  bool is_done() const { return selection_ == selections_.size(); }

  // Draws the next chunk on the caller's thread; nullopt after the last one. The first chunk of a
  // matrix may take long; `cancelled` is asked in between. After an error there is no going on.
  // Errors: CANCELLED, or what the engine says.
  absl::StatusOr<std::optional<Chunk>> Next(const std::function<bool()>& cancelled);

 private:
  absl::Status Draw(const PlannedSelection& planned, std::int64_t count, Chunk& chunk,
                    const std::function<bool()>& cancelled);
  std::int64_t NextCount() const;
  v1::TensorTrailer Trailer();

  const Engine& engine_;
  const std::shared_ptr<BufferPool> buffers_;
  const std::int64_t chunk_bytes_;
  const std::vector<PlannedSelection> selections_;
  const proto::Check check_;

  std::size_t selection_ = 0;  // the one that is being drawn
  std::int64_t done_ = 0;      // elements of it that are drawn
  std::uint64_t digest_ = 0;   // of them
  Sha256Stream sha256_;        // likewise
  Buffer repeated_;            // a chunk of it, if all chunks hold the same
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_CHUNK_STREAM_H_
