// a·b + c in one rounding, on processors that have no such instruction.
//
// std::fma would be right too: a call into libm for every element, and 20 ns of it without the
// instruction.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_EXACT_FMA_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_EXACT_FMA_H_

#include <bit>
#include <cmath>
#include <cstdint>

namespace weightinit::torch_cpu {

// In binary64 the product is exact. The sum is rounded to odd (Boldo and Melquiond, "When double
// rounding is odd", 2005): what is lost sets the last bit, so that rounding it to binary32 gives
// what rounding the exact sum would. REQUIRES: finite arguments
inline float ExactFma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const auto addend = static_cast<double>(c);
  const double sum = product + addend;
  // Knuth's two-sum: sum + error is exact.
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  auto bits = std::bit_cast<std::uint64_t>(sum);
  if (error != 0 && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : ~std::uint64_t{0};
  return static_cast<float>(std::bit_cast<double>(bits));
}

inline double ExactFma(double a, double b, double c) { return std::fma(a, b, c); }

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_EXACT_FMA_H_
