#include "lib/sink/decode.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace weightinit {
namespace {

// A small IEEE-like format. `has_infinity`: the top exponent holds infinities and NaNs; otherwise
// (E4M3FN) all ones is the one NaN.
double DecodeSmall(std::uint32_t bits, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const std::uint32_t mantissa_mask = (1u << mantissa_bits) - 1;
  const std::uint32_t exponent_mask = (1u << exponent_bits) - 1;
  const std::uint32_t mantissa = bits & mantissa_mask;
  const auto exponent = static_cast<int>((bits >> mantissa_bits) & exponent_mask);
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1.0 : 1.0;
  const bool top = exponent == static_cast<int>(exponent_mask);
  if (top && has_infinity)
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  if (top && mantissa == mantissa_mask) return std::numeric_limits<double>::quiet_NaN();
  if (exponent == 0)
    return sign * std::ldexp(static_cast<double>(mantissa), 1 - bias - mantissa_bits);
  return sign * std::ldexp(static_cast<double>(mantissa + mantissa_mask + 1),
                           exponent - bias - mantissa_bits);
}

template <typename Raw, typename Decode>
void DecodeAll(std::span<const std::byte> values, std::span<double> out, Decode decode) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Raw raw;
    std::memcpy(&raw, values.data() + i * sizeof raw, sizeof raw);
    out[i] = decode(raw);
  }
}

}  // namespace

void DecodeElements(std::span<const std::byte> values, DType dtype, std::span<double> out) {
  const auto plain = [](auto raw) { return static_cast<double>(raw); };
  switch (dtype) {
    case DType::kFloat32:
      return DecodeAll<float>(values, out, plain);
    case DType::kFloat64:
      return DecodeAll<double>(values, out, plain);
    case DType::kBFloat16:
      return DecodeAll<std::uint16_t>(
          values, out, [](std::uint16_t raw) { return DecodeSmall(raw, 8, 7, true); });
    case DType::kFloat16:
      return DecodeAll<std::uint16_t>(
          values, out, [](std::uint16_t raw) { return DecodeSmall(raw, 5, 10, true); });
    case DType::kFloat8E4M3FN:
      return DecodeAll<std::uint8_t>(
          values, out, [](std::uint8_t raw) { return DecodeSmall(raw, 4, 3, false); });
    case DType::kFloat8E5M2:
      return DecodeAll<std::uint8_t>(values, out,
                                     [](std::uint8_t raw) { return DecodeSmall(raw, 5, 2, true); });
    case DType::kInt64:
      return DecodeAll<std::int64_t>(values, out, plain);
    case DType::kInt32:
      return DecodeAll<std::int32_t>(values, out, plain);
    case DType::kUInt8:
    case DType::kBool:
      return DecodeAll<std::uint8_t>(values, out, plain);
  }
}

}  // namespace weightinit
