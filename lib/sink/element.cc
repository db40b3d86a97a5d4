#include "weightinit/element.h"

#include <cmath>

#include "lib/sink/decode.h"

namespace weightinit {
namespace {

// The element's place among all values of its dtype, 0 at zero: sign and magnitude, as two's
// complement.
std::uint64_t Place(std::span<const std::byte> element, DType dtype) {
  std::uint64_t bits = 0;
  for (std::size_t i = element.size(); i-- > 0;) {
    bits = bits << 8 | std::to_integer<std::uint64_t>(element[i]);
  }
  const std::uint64_t sign = std::uint64_t{1} << (8 * element.size() - 1);
  const bool is_negative = (bits & sign) != 0;
  if (IsFloatingPoint(dtype)) return is_negative ? -(bits ^ sign) : bits;
  const bool is_signed = dtype == DType::kInt32 || dtype == DType::kInt64;
  return is_signed && is_negative ? bits - sign - sign : bits;
}

}  // namespace

double ElementValue(std::span<const std::byte> element, DType dtype) {
  double value = 0;
  DecodeElements(element, dtype, {&value, 1});
  return value;
}

std::optional<std::uint64_t> UlpDistance(std::span<const std::byte> a, std::span<const std::byte> b,
                                         DType dtype) {
  if (std::isnan(ElementValue(a, dtype)) || std::isnan(ElementValue(b, dtype))) return std::nullopt;
  const std::uint64_t place_a = Place(a, dtype), place_b = Place(b, dtype);
  // The difference of two places fits 64 bits without a sign.
  const bool a_is_below = static_cast<std::int64_t>(place_a) < static_cast<std::int64_t>(place_b);
  return a_is_below ? place_b - place_a : place_a - place_b;
}

}  // namespace weightinit
