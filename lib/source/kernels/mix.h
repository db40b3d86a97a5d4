// The digest's hash of one element in plain C++ (docs/philox-v1.md §5): what every target must
// equal.
#ifndef WEIGHTINIT_SOURCE_KERNELS_MIX_H_
#define WEIGHTINIT_SOURCE_KERNELS_MIX_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace weightinit::kernels {

// The splitmix64 finalizer (Steele, Lea & Flood 2014).
inline constexpr std::uint64_t kMixMultiplier1 = 0xBF58476D1CE4E5B9;
inline constexpr std::uint64_t kMixMultiplier2 = 0x94D049BB133111EB;

constexpr std::uint64_t Mix(std::uint64_t z) {
  z ^= z >> 30;
  z *= kMixMultiplier1;
  z ^= z >> 27;
  z *= kMixMultiplier2;
  z ^= z >> 31;
  return z;
}

// Elements need not be aligned.
template <class Element>
std::uint64_t DigestByElement(std::uint64_t position, std::uint64_t step, const std::byte* values,
                              std::size_t count) {
  std::uint64_t digest = 0;
  for (std::size_t k = 0; k < count; ++k) {
    Element bits;
    std::memcpy(&bits, values + k * sizeof bits, sizeof bits);
    digest += Mix(position + bits);
    position += step;
  }
  return digest;
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_MIX_H_
