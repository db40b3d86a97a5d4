// The reference: PHILOX_V1 in plain C++, one element at a time, in the order of docs/philox-v1.md.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "lib/source/kernels/coefficients.h"
#include "lib/source/kernels/number_formats.h"
#include "lib/source/kernels/targets.h"

namespace weightinit::kernels {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
Block Philox(Block counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(p0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

Block BlockOf(Stream stream, int plane, std::uint64_t index) {
  const std::uint64_t block = index / 4 + (static_cast<std::uint64_t>(plane) << 62);
  return Philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                 static_cast<std::uint32_t>(stream.subsequence),
                 static_cast<std::uint32_t>(stream.subsequence >> 32)},
                static_cast<std::uint32_t>(stream.seed),
                static_cast<std::uint32_t>(stream.seed >> 32));
}

template <std::size_t n>
float Horner(const float (&coefficients)[n], float x) {
  float sum = coefficients[0];
  for (std::size_t i = 1; i < n; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// sqrt(-2 ln U). Valid range: [2^-120, 1 - 2^-24]. Maximum error: 2 ulp.
float SqrtMinusTwoLog(float u) {
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
Pair NormalPair(std::uint32_t w0, std::uint32_t w1) {
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
float UpperQuantile(float q) {
  if (q < kTailBelow) return Horner(kTail, SqrtMinusTwoLog(q) - kTailShift);
  const float r = std::sqrt(q - q * q);
  return (0.5f - q) * Horner(kCentre, r - kCentreShift);
}

// Maximum error: max(8 ulp, 2^-22).
float TruncatedZ(std::uint32_t word, const TruncatedNormalParams& p) {
  const TruncatedNormalParams::Side& side = word <= p.last_lower ? p.lower : p.upper;
  const float q = side.base + (static_cast<float>(word ^ side.flip) + 0.5f) * p.probability_scaled;
  const float z = std::bit_cast<float>(std::bit_cast<std::uint32_t>(UpperQuantile(q)) ^ side.sign);
  return std::min(std::max(z, p.a_f32), p.b_f32);
}

// t of uniform, exact.
float Symmetric(std::uint32_t word) {
  return (static_cast<float>(static_cast<std::int32_t>(word >> 8) - 0x800000) + 0.5f) * 0x1p-23f;
}

// Calls value(word, i) for each element of one-word draws.
template <class Value>
void ForEachWord(Stream stream, int plane, std::uint64_t first_index, std::int64_t count,
                 const Value& value) {
  Block block{};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t index = first_index + static_cast<std::uint64_t>(i);
    if (i == 0 || index % 4 == 0) block = BlockOf(stream, plane, index);
    value(block[index % 4], i);
  }
}

void UniformF32(Stream stream, const Affine32& p, std::uint64_t first_index, std::int64_t count,
                float* out) {
  ForEachWord(stream, kValuePlane, first_index, count, [&](std::uint32_t word, std::int64_t i) {
    out[i] = std::min(std::max(p.offset + p.scale * Symmetric(word), p.low), p.high);
  });
}

void NormalF32(Stream stream, const Affine32& p, std::uint64_t first_index, std::int64_t count,
               float* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t index = first_index + static_cast<std::uint64_t>(i);
    const Block block = BlockOf(stream, kValuePlane, index);
    const std::size_t even = index % 4 & ~std::size_t{1};
    const Pair z = NormalPair(block[even], block[even + 1]);
    out[i] = p.offset + p.scale * (index % 2 == 0 ? z.first : z.second);
  }
}

void TruncatedF32(Stream stream, const TruncatedNormalParams& params, const Affine32& p,
                  std::uint64_t first_index, std::int64_t count, float* out) {
  ForEachWord(stream, kValuePlane, first_index, count, [&](std::uint32_t word, std::int64_t i) {
    out[i] = std::min(std::max(p.offset + p.scale * TruncatedZ(word, params), p.low), p.high);
  });
}

void AffineF64(const Affine64& p, const float* in, std::int64_t count, double* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = std::min(std::max(p.offset + p.scale * static_cast<double>(in[i]), p.low), p.high);
  }
}

template <class Function>
void Each(const float* in, std::int64_t count, std::byte* out, const Function& function) {
  for (std::int64_t i = 0; i < count; ++i) {
    const auto value = function(in[i]);
    std::memcpy(out + static_cast<std::size_t>(i) * sizeof(value), &value, sizeof(value));
  }
}

void Convert(const float* in, std::int64_t count, DType dtype, std::byte* out) {
  switch (dtype) {
    case DType::kFloat32:
      return Each(in, count, out, [](float x) { return x; });
    case DType::kFloat64:
      return Each(in, count, out, [](float x) { return static_cast<double>(x); });
    case DType::kBFloat16:
      return Each(in, count, out, BFloat16Bits);
    case DType::kFloat16:
      return Each(in, count, out, Float16Bits);
    case DType::kFloat8E4M3FN:
      return Each(in, count, out, Float8E4M3FNBits);
    case DType::kFloat8E5M2:
      return Each(in, count, out, Float8E5M2Bits);
    default:
      return;
  }
}

void Words(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out) {
  ForEachWord(stream, plane, first_index, static_cast<std::int64_t>(out.size()),
              [&](std::uint32_t word, std::int64_t i) { out[static_cast<std::size_t>(i)] = word; });
}

struct Scalar {
  static constexpr std::string_view kName = "scalar";
  static constexpr auto words = kernels::Words;
  static constexpr auto uniform = UniformF32;
  static constexpr auto normal = NormalF32;
  static constexpr auto truncated_normal = TruncatedF32;
  static constexpr auto affine64 = AffineF64;
  static constexpr auto convert = kernels::Convert;
};

}  // namespace

const Kernels& ScalarKernels() { return kTable<Scalar>; }

}  // namespace weightinit::kernels
