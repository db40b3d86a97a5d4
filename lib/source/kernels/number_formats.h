// Binary32 to the narrow formats, one value at a time: to nearest even, in one rounding.
//
// bfloat16 and float16 overflow to infinity, both float8 saturate. -0 and subnormals are kept; a
// NaN gives the quiet NaN of its sign without its payload.
#ifndef WEIGHTINIT_SOURCE_KERNELS_NUMBER_FORMATS_H_
#define WEIGHTINIT_SOURCE_KERNELS_NUMBER_FORMATS_H_

#include <algorithm>
#include <bit>
#include <cstdint>

namespace weightinit::kernels {

// A format with fewer mantissa bits and a smaller exponent range than binary32.
struct Float16Format {
  static constexpr int kMantissaBits = 10;
  static constexpr int kBias = 15;
  static constexpr std::uint32_t kLargest =
      0x7C00;  // where a magnitude ends that is too large: infinity
  static constexpr std::uint32_t kNan = 0x7E00;
  static constexpr int kSignShift = 16;  // from bit 31 to the format's sign
};
struct Float8E4M3FNFormat {
  static constexpr int kMantissaBits = 3;
  static constexpr int kBias = 7;
  static constexpr std::uint32_t kLargest = 0x7E;  // 448
  static constexpr std::uint32_t kNan = 0x7F;
  static constexpr int kSignShift = 24;
};
struct Float8E5M2Format {
  static constexpr int kMantissaBits = 2;
  static constexpr int kBias = 15;
  static constexpr std::uint32_t kLargest = 0x7B;  // 57344
  static constexpr std::uint32_t kNan = 0x7F;
  static constexpr int kSignShift = 24;
};

// Constants of the rounding, shared with the vector code.
template <class Format>
struct Rounding {
  static constexpr int kShift = 23 - Format::kMantissaBits;
  // Moves the exponent from binary32's bias to the format's, and adds just less than half a unit.
  static constexpr std::uint32_t kRebiasAndHalf =
      ((1u << (kShift - 1)) - 1) - (static_cast<std::uint32_t>(127 - Format::kBias) << 23);
  // The smallest normal magnitude of the format, as binary32.
  static constexpr std::uint32_t kSmallestNormal = static_cast<std::uint32_t>(128 - Format::kBias)
                                                   << 23;
  // A binary32 power of two whose unit is the format's smallest subnormal: adding it rounds a
  // subnormal in place.
  static constexpr std::uint32_t kSubnormalMagic =
      static_cast<std::uint32_t>(127 + 24 - Format::kBias - Format::kMantissaBits) << 23;
};

template <class Format>
constexpr std::uint32_t NarrowBits(float value) {
  using R = Rounding<Format>;
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  const std::uint32_t sign = (bits & 0x80000000) >> Format::kSignShift;
  if (magnitude > 0x7F800000) return sign | Format::kNan;
  if (magnitude < R::kSmallestNormal) {
    const float rounded =
        std::bit_cast<float>(magnitude) + std::bit_cast<float>(R::kSubnormalMagic);
    return sign | (std::bit_cast<std::uint32_t>(rounded) - R::kSubnormalMagic);
  }
  const std::uint32_t odd = (magnitude >> R::kShift) & 1;
  return sign | std::min((magnitude + odd + R::kRebiasAndHalf) >> R::kShift, Format::kLargest);
}

constexpr std::uint16_t Float16Bits(float value) {
  return static_cast<std::uint16_t>(NarrowBits<Float16Format>(value));
}
constexpr std::uint8_t Float8E4M3FNBits(float value) {
  return static_cast<std::uint8_t>(NarrowBits<Float8E4M3FNFormat>(value));
}
constexpr std::uint8_t Float8E5M2Bits(float value) {
  return static_cast<std::uint8_t>(NarrowBits<Float8E5M2Format>(value));
}

constexpr std::uint16_t BFloat16Bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000)
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000) | 0x7FC0);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_NUMBER_FORMATS_H_
