// The digest of a run is the same on every target, for every element size, length, stride and
// alignment.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {
namespace {

// docs/philox-v1.md §5, read off the page.
std::uint64_t ByThePage(std::uint64_t position, std::uint64_t step, const std::byte* values,
                        std::int64_t count, int element_bytes) {
  std::uint64_t digest = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    std::uint64_t bits = 0;
    for (int b = element_bytes - 1; b >= 0; --b) {
      bits = (bits << 8) | std::to_integer<std::uint64_t>(values[k * element_bytes + b]);
    }
    std::uint64_t z = position + static_cast<std::uint64_t>(k) * step + bits;
    z ^= z >> 30;
    z *= 0xBF58476D1CE4E5B9;
    z ^= z >> 27;
    z *= 0x94D049BB133111EB;
    z ^= z >> 31;
    digest += z;
  }
  return digest;
}

TEST(DigestTest, EveryTargetSumsWhatThePageSays) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(8 * 300 + 8);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (const Kernels* kernels : AllKernels()) {
    for (const int element_bytes : {1, 2, 4, 8}) {
      for (const std::int64_t count : {0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 300}) {
        for (const std::size_t offset : {0u, 1u, 3u}) {
          const std::uint64_t position = random(), step = random();
          const std::byte* values = bytes.data() + offset;
          EXPECT_EQ(kernels->digest(position, step, values, count, element_bytes),
                    ByThePage(position, step, values, count, element_bytes))
              << kernels->target << " " << element_bytes << " " << count << " " << offset;
        }
      }
    }
  }
}

}  // namespace
}  // namespace weightinit::kernels
