#include "client/cli/blocks.h"

#include <algorithm>
#include <limits>

namespace weightinit::client {
namespace {

constexpr std::int64_t kMostCuts = std::int64_t{1} << 15;

// A multiple of kBlockBytes, so that no element is cut.
std::int64_t BytesPerBlock(std::span<const BoundSelection> selections) {
  std::int64_t total = 0;
  for (const BoundSelection& selection : selections) {
    total += std::min(selection.num_bytes(), std::numeric_limits<std::int64_t>::max() - total);
  }
  return (total / kMostCuts / kBlockBytes + 1) * kBlockBytes;
}

}  // namespace

std::vector<Block> CutIntoBlocks(const ModelPlan& plan,
                                 std::span<const BoundSelection> selections) {
  const std::int64_t bytes_per_block = BytesPerBlock(selections);
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::int64_t total = selections[i].num_bytes();
    const std::int64_t most = IsMadeWhole(plan, selections[i].tensor) ? total : bytes_per_block;
    std::int64_t done = 0;
    do {
      const std::int64_t count = std::min(most, total - done);
      blocks.push_back({i, done, count});
      done += count;
    } while (done < total);
  }
  return blocks;
}

}  // namespace weightinit::client
