#include "client/cli/shard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <variant>

namespace weightinit::client {
namespace {

// [start, stop) of dimension `dim`.
std::pair<std::int64_t, std::int64_t> Cut(const Shape& shape, const Shard& shard, std::size_t dim) {
  const Slice slice = SliceOf(shape, shard);
  if (std::holds_alternative<std::monostate>(slice)) return {0, shape[dim]};
  const Range& range = std::get<Box>(slice).dims[dim];
  return {range.start, range.start + *range.size};
}

TEST(ShardTest, CutsAsTorchChunkDoes) {
  // torch.arange(n).chunk(w): chunks of ⌈n/w⌉ until nothing is left.
  for (std::int64_t n = 0; n <= 40; ++n) {
    for (std::int64_t world = 1; world <= 9; ++world) {
      const std::int64_t chunk = (n + world - 1) / world;
      for (std::int64_t rank = 0; rank < world; ++rank) {
        const auto [start, stop] = Cut({2, n}, {rank, world, 1}, 1);
        EXPECT_EQ(stop - start, std::clamp<std::int64_t>(n - rank * chunk, 0, chunk));
        EXPECT_EQ(start, std::min(rank * chunk, n));
      }
    }
  }
}

TEST(ShardTest, NegativeDimensionsCountFromTheEnd) {
  EXPECT_EQ(CutDim({4, 6}, {0, 2, -1}), 1u);
  EXPECT_EQ(CutDim({4, 6}, {0, 2, -2}), 0u);
  EXPECT_EQ(CutDim({4, 6}, {0, 2, -3}), std::nullopt);
}

TEST(ShardTest, WhatLacksTheDimensionIsWholeAndCountedOnce) {
  const Shape scalar, bias = {5};
  EXPECT_TRUE(std::holds_alternative<std::monostate>(SliceOf(scalar, {1, 4, 0})));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(SliceOf(bias, {1, 4, 1})));
  EXPECT_TRUE(IsCountedElsewhere(bias, {1, 4, 1}));
  EXPECT_FALSE(IsCountedElsewhere(bias, {0, 4, 1}));
  EXPECT_FALSE(IsCountedElsewhere(bias, {1, 4, 0}));
}

TEST(ShardTest, HugeNumbersDoNotOverflow) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(Cut({3}, {kMost - 1, kMost, 0}, 0), std::pair(std::int64_t{3}, std::int64_t{3}));
  EXPECT_EQ(Cut({kMost}, {1, 2, 0}, 0), std::pair(kMost / 2 + 1, kMost));
}

}  // namespace
}  // namespace weightinit::client
