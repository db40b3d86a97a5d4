#include "client/cli/blocks.h"

#include <algorithm>

namespace weightinit::client {

std::vector<Block> CutIntoBlocks(const ModelPlan& plan,
                                 std::span<const BoundSelection> selections) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const std::int64_t total = selections[i].num_bytes();
    const std::int64_t most = IsMadeWhole(plan, selections[i].tensor) ? total : kBlockBytes;
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
