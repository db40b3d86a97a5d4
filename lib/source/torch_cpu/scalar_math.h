// Functions of binary32 that replays share, in plain C++: the reference of vector_math-inl.h.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_SCALAR_MATH_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_SCALAR_MATH_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "lib/source/torch_cpu/exact_fma.h"
#include "lib/source/torch_cpu/polynomials.h"

namespace weightinit::torch_cpu {

// a·b + c, in one rounding if fused.
template <bool fused>
inline float Fma(float a, float b, float c) {
  return fused ? ExactFma(a, b, c) : a * b + c;
}

// ln x. Valid range: [2^-126, 1].
template <bool fused>
inline float Log(float x) {
  const std::uint32_t offset = std::bit_cast<std::uint32_t>(x) - kLogLowBits;
  const float m = std::bit_cast<float>((offset & 0x007FFFFF) + kLogLowBits) - 1.0f;
  const auto e = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float z = m * m;
  float y = kLog[0];
  for (std::size_t k = 1; k < std::size(kLog); ++k) y = Fma<fused>(y, m, kLog[k]);
  y = y * m;
  y = Fma<fused>(y, z, e * kLn2Low);
  y = y - 0.5f * z;
  return (m + y) + e * kLn2High;
}

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_SCALAR_MATH_H_
