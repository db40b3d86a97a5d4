// The part of a model that one rank of a job holds.
//
// As torch.chunk cuts, and so FSDP2 and DTensor's Shard(dim): chunks of ⌈n / world_size⌉ along the
// dimension, the last one shorter, and nothing for ranks that come after it: such a rank has the
// tensor with size 0 there. A tensor that lacks the dimension is on every rank whole, as
// Replicate() has it; digests of shards count it once, for rank 0.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_CLI_SHARD_H_
#define WEIGHTINIT_CLIENT_CLI_SHARD_H_

#include <cstdint>
#include <optional>

#include "weightinit/shape.h"

namespace weightinit::client {

struct Shard {
  std::int64_t rank = 0;        // 0 ≤ rank < world_size
  std::int64_t world_size = 1;  // ≥ 1
  int dim = 0;                  // negative from the end, as in torch
};

// Which dimension of the shape is cut; nullopt: it lacks that dimension.
std::optional<std::size_t> CutDim(const Shape& shape, const Shard& shard);

// What the rank holds of a tensor. Whole: std::monostate.
Slice SliceOf(const Shape& shape, const Shard& shard);

// Whether another rank's digest counts the tensor.
bool IsCountedElsewhere(const Shape& shape, const Shard& shard);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_SHARD_H_
