// How a drawing is cut into blocks, each of which is either on the disk or not yet.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_CLI_BLOCKS_H_
#define WEIGHTINIT_CLIENT_CLI_BLOCKS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "weightinit/plan.h"
#include "weightinit/selection.h"

namespace weightinit::client {

// Small enough that little is lost when a run breaks, large enough that cutting costs nothing.
inline constexpr std::int64_t kBlockBytes = std::int64_t{64} << 20;

// Consecutive bytes of a selection.
struct Block {
  std::size_t item = 0;         // position among the selections
  std::int64_t first_byte = 0;  // of the slice's bytes
  std::int64_t byte_count = 0;
};

// All bytes of all selections, once, in order; a selection without any is one block. A matrix that
// is made whole for any part of it is not cut. Blocks are larger where there would be tens of
// thousands, lest what only a limit would refuse takes memory here. REQUIRES: selections without
// first and count of their own
std::vector<Block> CutIntoBlocks(const ModelPlan& plan, std::span<const BoundSelection> selections);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_BLOCKS_H_
