// Checks the chunks of a server against what was asked for, and hands on their values.
//
// A server is not trusted: a header that says another shape, type or size than the client's own
// plan, chunks that leave gaps, overlap, repeat, go too far or are missing, and values whose digest
// is not the one in the trailer all end the read. Nothing is allocated from what a chunk says.
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_CHUNK_RECEIVER_H_
#define WEIGHTINIT_CLIENT_CHUNK_RECEIVER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/backend.h"
#include "client/chunk_message.h"
#include "client/slice_digest.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::client {

class ChunkReceiver {
 public:
  // All arguments must outlive this. `digest`: a digest was asked for.
  ChunkReceiver(const ModelPlan& plan, std::span<const BoundSelection> selections, bool digest,
                Receiver& receiver);

  // Errors: DATA_LOSS for a chunk that is not the next one; FAILED_PRECONDITION for a server that
  // resolves the recipe to other numbers; those of the receiver. Not to be called after an error.
  absl::Status Take(const ChunkMessage& chunk);

  // After the last chunk. Errors: DATA_LOSS when something is missing.
  absl::Status Finish() const;

  // Whether anything has been handed on.
  bool has_begun() const { return begun_ || selection_ > 0; }
  // Selections that have come whole.
  std::size_t selections_done() const { return selection_; }
  // Of the one that is being received: elements that have come, and their digest.
  std::int64_t elements_taken() const;
  std::uint64_t digest() const { return begun_ && digest_wanted_ ? digest_->digest() : 0; }

 private:
  absl::Status Broken(std::string_view what) const;
  absl::Status CheckHeader(const v1::TensorHeader& header) const;
  absl::Status End(const v1::TensorTrailer& trailer);
  const BoundSelection& current() const { return selections_[selection_]; }

  const ModelPlan& plan_;
  const std::span<const BoundSelection> selections_;
  const bool digest_wanted_;
  Receiver& receiver_;

  std::size_t selection_ = 0;  // the one being received
  bool begun_ = false;
  std::int64_t next_byte_ = 0, end_byte_ = 0;  // in the bytes of the slice
  std::optional<RunningDigest> digest_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CHUNK_RECEIVER_H_
