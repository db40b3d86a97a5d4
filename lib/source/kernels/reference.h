// The arithmetic of one element in plain C++, in the order of docs/philox-v1.md: what every target
// must equal.
#ifndef WEIGHTINIT_SOURCE_KERNELS_REFERENCE_H_
#define WEIGHTINIT_SOURCE_KERNELS_REFERENCE_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "lib/source/kernels/coefficients.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {

template <std::size_t n>
inline float Horner(const float (&coefficients)[n], float x) {
  float sum = coefficients[0];
  for (std::size_t i = 1; i < n; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// sqrt(-2 ln U). Valid range: [2^-120, 1 - 2^-24]. Maximum error: 2 ulp.
inline float SqrtMinusTwoLog(float u) {
  constexpr auto kLowBits = std::bit_cast<std::uint32_t>(kLogLow);
  const std::uint32_t offset = std::bit_cast<std::uint32_t>(u) - kLowBits;
  const float f = std::bit_cast<float>((offset & 0x007FFFFF) + kLowBits) - 1.0f;
  const float e = static_cast<float>(static_cast<std::int32_t>(offset & 0xFF800000)) * 0x1p-23f;
  return std::sqrt(f * Horner(kLog, f) + e * kMinusTwoLn2);
}

struct Pair {
  float first, second;
};

// Box-Muller. Maximum error: max(6 ulp, 2^-22).
inline Pair NormalPair(std::uint32_t w0, std::uint32_t w1) {
  const float low = (static_cast<float>(w1 & 0xFF) + 0.5f) * 0x1p-8f;
  const float u = std::min((static_cast<float>(w0) + low) * 0x1p-32f, 1.0f - 0x1p-24f);
  const float radius = SqrtMinusTwoLog(u);

  // The angle is pi/2 (quadrant + phi), phi in (-1/2, 1/2): k's low 22 bits, read as a signed
  // number, plus one half.
  const std::int32_t signed22 = static_cast<std::int32_t>(w1 << 2) >> 10;
  const float phi = (static_cast<float>(signed22) + 0.5f) * 0x1p-22f;
  const std::uint32_t turned = w1 + 0x20000000;  // quadrant in the two high bits
  const float square = phi * phi;
  const float sine = phi * Horner(kSine, square);
  const float cosine = Horner(kCosine, square);
  const bool odd = (turned & 0x40000000) != 0;
  const std::uint32_t negate_first = (turned ^ turned << 1) & 0x80000000;
  const std::uint32_t negate_second = turned & 0x80000000;
  const float first = radius * (odd ? sine : cosine);
  const float second = radius * (odd ? cosine : sine);
  return {std::bit_cast<float>(std::bit_cast<std::uint32_t>(first) ^ negate_first),
          std::bit_cast<float>(std::bit_cast<std::uint32_t>(second) ^ negate_second)};
}

// |z| with 1 - Φ(|z|) = q. Valid range: [7e-26, 1/2]. Maximum error: max(4 ulp, 2^-23) beyond that
// of q itself.
inline float UpperQuantile(float q) {
  if (q < kTailBelow) return Horner(kTail, SqrtMinusTwoLog(q) - kTailShift);
  const float r = std::sqrt(q - q * q);
  return (0.5f - q) * Horner(kCentre, r - kCentreShift);
}

// Maximum error: max(8 ulp, 2^-22).
inline float TruncatedZ(std::uint32_t word, const TruncatedNormalParams& p) {
  const TruncatedNormalParams::Side& side = word <= p.last_lower ? p.lower : p.upper;
  const float q = side.base + (static_cast<float>(word ^ side.flip) + 0.5f) * p.probability_scaled;
  const float z = std::bit_cast<float>(std::bit_cast<std::uint32_t>(UpperQuantile(q)) ^ side.sign);
  return std::min(std::max(z, p.a_f32), p.b_f32);
}

// t of uniform, exact.
inline float Symmetric(std::uint32_t word) {
  return (static_cast<float>(static_cast<std::int32_t>(word >> 8) - 0x800000) + 0.5f) * 0x1p-23f;
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_REFERENCE_H_
