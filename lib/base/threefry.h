// Threefry2x32-20 (Salmon et al. 2011) and JAX's keys (jax/_src/prng.py).
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_LIB_BASE_THREEFRY_H_
#define WEIGHTINIT_LIB_BASE_THREEFRY_H_

#include <bit>
#include <cstdint>

#include "weightinit/generator.h"

namespace weightinit::jax_threefry {

// jax.random.key_data.
struct Key {
  std::uint32_t first = 0, second = 0;
  friend bool operator==(const Key&, const Key&) = default;
};

// How random bits and new keys are laid over their indices.
using Layout = JaxThreefry::Layout;

inline constexpr std::uint32_t kParity = 0x1BD11BDA;
inline constexpr int kRotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};

// Two words out of the counter (x0, x1), as a key.
constexpr Key Block(Key key, std::uint32_t x0, std::uint32_t x1) {
  const std::uint32_t keys[3] = {key.first, key.second, key.first ^ key.second ^ kParity};
  x0 += keys[0];
  x1 += keys[1];
  for (std::uint32_t group = 1; group <= 5; ++group) {
    for (const int rotation : kRotations[(group - 1) % 2]) {
      x0 += x1;
      x1 = std::rotl(x1, rotation) ^ x0;
    }
    x0 += keys[group % 3];
    x1 += keys[(group + 1) % 3] + group;
  }
  return {x0, x1};
}

// jax.random.key(seed) with 64-bit types off, as by default: the low 32 bits of the seed.
constexpr Key KeyOf(std::uint64_t seed) { return {0, static_cast<std::uint32_t>(seed)}; }

// The same with jax_enable_x64.
constexpr Key WideKeyOf(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed >> 32), static_cast<std::uint32_t>(seed)};
}

constexpr Key FoldIn(Key key, std::uint32_t data) { return Block(key, 0, data); }

// Words of the legacy layout: `words` counters, of which the first half goes through the block's
// first word and the second half through its second; an odd number is padded with a 0.
constexpr std::uint32_t LegacyWord(Key key, std::uint64_t words, std::uint64_t index) {
  const std::uint64_t half = (words + 1) / 2;
  const bool second = index >= half;
  const std::uint64_t low = second ? index - half : index;
  const std::uint64_t high = low + half == words ? 0 : low + half;
  const Key block = Block(key, static_cast<std::uint32_t>(low), static_cast<std::uint32_t>(high));
  return second ? block.second : block.first;
}

// jax.random.split(key, count)[index].
constexpr Key Split(Key key, Layout layout, std::uint64_t count, std::uint64_t index) {
  if (layout == Layout::kPartitionable)
    return Block(key, static_cast<std::uint32_t>(index >> 32), static_cast<std::uint32_t>(index));
  return {LegacyWord(key, 2 * count, 2 * index), LegacyWord(key, 2 * count, 2 * index + 1)};
}

}  // namespace weightinit::jax_threefry

#endif  // WEIGHTINIT_LIB_BASE_THREEFRY_H_
