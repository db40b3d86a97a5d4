// The dtypes of torch's fills as numbers: what they compute in, and how they round.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_NUMBERS_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_NUMBERS_H_

#include <bit>
#include <cstdint>

#include "lib/base/torch_dialect.h"
#include "lib/source/kernels/number_formats.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

// kDigits: of the significand; a uniform takes as many bits.
// Round: a value of the computation to the nearest of the dtype, as its value.
// Of: a Python float as an element. torch goes by float32 to the 16-bit types.
// Element: how it lies in memory; Encode is exact for rounded values.
struct Float64Numbers {
  using Value = double;
  using Element = double;
  static constexpr int kDigits = 53;
  static Value Round(double x) { return x; }
  static Value Of(double x) { return x; }
  static Element Encode(Value x) { return x; }
  static Value Decode(Element x) { return x; }
};

struct Float32Numbers {
  using Value = float;
  using Element = float;
  static constexpr int kDigits = 24;
  static Value Round(float x) { return x; }
  static Value Of(double x) { return static_cast<float>(x); }
  static Element Encode(Value x) { return x; }
  static Value Decode(Element x) { return x; }
};

struct BFloat16Numbers {
  using Value = float;
  using Element = std::uint16_t;
  static constexpr int kDigits = 8;
  static Element Encode(Value x) { return kernels::BFloat16Bits(x); }
  static Value Decode(Element x) { return std::bit_cast<float>(std::uint32_t{x} << 16); }
  static Value Round(float x) { return Decode(Encode(x)); }
  static Value Of(double x) { return Round(static_cast<float>(x)); }
};

struct Float16Numbers {
  using Value = float;
  using Element = std::uint16_t;
  static constexpr int kDigits = 11;
  static Element Encode(Value x) { return kernels::Float16Bits(x); }
  static Value Decode(Element x) {
    const std::uint32_t sign = std::uint32_t{x} >> 15 << 31;
    const std::uint32_t magnitude = x & 0x7FFFu;
    if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000 | magnitude << 13);
    // The exponent's bias is 112 less; a product with a power of two takes subnormals along.
    return std::bit_cast<float>(sign | magnitude << 13) * 0x1p112f;
  }
  static Value Round(float x) { return Decode(Encode(x)); }
  static Value Of(double x) { return Round(static_cast<float>(x)); }
};

// Calls function(Numbers()). REQUIRES: IsFilled(dtype)
template <class Function>
decltype(auto) WithNumbers(DType dtype, const Function& function) {
  switch (dtype) {
    case DType::kFloat64:
      return function(Float64Numbers());
    case DType::kBFloat16:
      return function(BFloat16Numbers());
    case DType::kFloat16:
      return function(Float16Numbers());
    default:
      return function(Float32Numbers());
  }
}

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_NUMBERS_H_
