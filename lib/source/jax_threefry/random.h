// jax.random: bits, uniform, normal, truncated_normal, as XLA computes them on CPUs.
//
// Elements are those of a row-major array of `total` elements under one key. Any part of it can be
// drawn on its own. docs/jax-threefry.md says what is exact.
#ifndef WEIGHTINIT_SOURCE_JAX_THREEFRY_RANDOM_H_
#define WEIGHTINIT_SOURCE_JAX_THREEFRY_RANDOM_H_

#include <cstdint>
#include <span>

#include "lib/base/threefry.h"

namespace weightinit::jax_threefry {

// Where an array's bits come from.
struct Array {
  Key key;
  Layout layout = Layout::kPartitionable;
  std::uint64_t total = 0;  // of the whole array; the legacy layout depends on it
};

// jax.random.bits of 8, 16 or 32 bits, each in the low bits of a word. REQUIRES: first + out.size()
// ≤ total
void DrawBits(const Array& array, int bits, std::uint64_t first, std::span<std::uint32_t> out);
// Of 64 bits.
void DrawBits64(const Array& array, std::uint64_t first, std::span<std::uint64_t> out);

// jax.random.uniform(minval, maxval) in float32: 23 bits, one product and sum in one rounding.
void DrawUniform(const Array& array, float minval, float maxval, std::uint64_t first,
                 std::span<float> out);

// jax.random.normal in float32. Within 3 ulp of jax: XLA's log1p changes from version to version.
void DrawNormal(const Array& array, std::uint64_t first, std::span<float> out);

// jax.random.truncated_normal(lower, upper) in float32. Maximum error: that of DrawNormal, and what
// an ulp of the bounds' erf makes (none for ±2, the initializers' bounds; 10^-5 at ±3).
void DrawTruncatedNormal(const Array& array, float lower, float upper, std::uint64_t first,
                         std::span<float> out);

}  // namespace weightinit::jax_threefry

#endif  // WEIGHTINIT_SOURCE_JAX_THREEFRY_RANDOM_H_
