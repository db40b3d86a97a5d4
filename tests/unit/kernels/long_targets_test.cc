// Every target against the scalar reference, 10^8 elements per distribution and dtype.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "lib/source/kernels/kernels.h"
#include "tests/unit/kernels/test_draws.h"

namespace weightinit::kernels {
namespace {

constexpr std::int64_t kElements = 100'000'000;
constexpr std::int64_t kPiece = 1'000'003;  // prime: pieces begin at every place of a block

TEST(LongTargets, WriteTheBytesOfTheReference) {
  const Distribution distributions[] = {
      UniformOf("uniform", -1, 2), NormalOf("normal", 0.5, 2),
      TruncatedOf("truncated_normal", MakeTruncatedNormalParams(0, 1, -2, 3))};
  for (const Distribution& distribution : distributions) {
    for (const NamedDType& dtype : kFloatingDTypes) {
      std::vector<std::byte> expected(kPiece * dtype.width), got(expected.size());
      for (std::int64_t first = 0; first < kElements; first += kPiece) {
        const std::int64_t count = std::min(kPiece, kElements - first);
        const auto draw = [&](const Kernels& kernels, std::vector<std::byte>& out) {
          distribution.draw(kernels, static_cast<std::uint64_t>(first), count, dtype.dtype,
                            out.data());
        };
        draw(*FindKernels("scalar"), expected);
        for (const Kernels* kernels : AllKernels()) {
          draw(*kernels, got);
          ASSERT_EQ(std::memcmp(got.data(), expected.data(),
                                static_cast<std::size_t>(count) * dtype.width),
                    0)
              << kernels->target << " " << distribution.name << " " << dtype.name
              << " in the elements from " << first;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weightinit::kernels
