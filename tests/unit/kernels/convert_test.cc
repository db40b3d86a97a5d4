// Conversions of binary32 to every dtype against a reference that shares no code with them: the
// format's own values in order, and the two neighbours of a number among them.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {
namespace {

struct Format {
  const char* name;
  DType dtype;
  int exponent_bits, mantissa_bits, bias;
  std::uint32_t largest;  // the largest finite code
  bool saturates;
  std::uint32_t infinity;  // unless it saturates

  int Bits() const { return 1 + exponent_bits + mantissa_bits; }
  std::uint32_t Sign() const { return 1u << (exponent_bits + mantissa_bits); }

  // The number a magnitude code stands for; codes above the largest continue the pattern.
  double Value(std::uint32_t code) const {
    const auto exponent = static_cast<int>(code >> mantissa_bits);
    const double mantissa = code & ((1u << mantissa_bits) - 1);
    if (exponent == 0) return std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return std::ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits);
  }

  // Nearest, ties to the even code, by comparison with the value halfway to the next.
  std::uint32_t Nearest(double magnitude) const {
    std::uint32_t low = 0, high = largest +
                                  1;  // Value(low) ≤ magnitude < Value(high), or beyond the largest
    if (magnitude >= Value(high)) return saturates ? largest : infinity;
    while (high - low > 1) {
      const std::uint32_t middle = (low + high) / 2;
      (Value(middle) <= magnitude ? low : high) = middle;
    }
    const double halfway = (Value(low) + Value(high)) / 2;
    const bool up = magnitude > halfway || (magnitude == halfway && low % 2 == 1);
    const std::uint32_t code = up ? high : low;
    if (code > largest) return saturates ? largest : infinity;
    return code;
  }
};

constexpr Format kFormats[] = {
    {"BFLOAT16", DType::kBFloat16, 8, 7, 127, 0x7F7F, false, 0x7F80},
    {"FLOAT16", DType::kFloat16, 5, 10, 15, 0x7BFF, false, 0x7C00},
    {"FLOAT8_E4M3FN", DType::kFloat8E4M3FN, 4, 3, 7, 0x7E, true, 0},
    {"FLOAT8_E5M2", DType::kFloat8E5M2, 5, 2, 15, 0x7B, true, 0},
};

class Convert : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();

  std::vector<std::uint32_t> Codes(const Format& format, const std::vector<float>& in) {
    const std::size_t width = static_cast<std::size_t>(format.Bits()) / 8;
    std::vector<std::byte> out(in.size() * width);
    kernels_.convert(in.data(), static_cast<std::int64_t>(in.size()), format.dtype, out.data());
    std::vector<std::uint32_t> codes;
    for (std::size_t i = 0; i < in.size(); ++i) {
      std::uint32_t code = std::to_integer<std::uint32_t>(out[i * width]);
      if (width == 2) code |= std::to_integer<std::uint32_t>(out[i * width + 1]) << 8;
      codes.push_back(code);
    }
    return codes;
  }

  void ExpectNearest(const Format& format, const std::vector<float>& in) {
    const std::vector<std::uint32_t> codes = Codes(format, in);
    for (std::size_t i = 0; i < in.size(); ++i) {
      const std::uint32_t sign = std::signbit(in[i]) ? format.Sign() : 0;
      const double magnitude = std::abs(static_cast<double>(in[i]));
      const std::uint32_t beyond = format.saturates ? format.largest : format.infinity;
      const std::uint32_t expected =
          sign | (std::isinf(in[i]) ? beyond : format.Nearest(magnitude));
      ASSERT_EQ(codes[i], expected) << format.name << " of " << std::hexfloat << in[i];
    }
  }
};

void AddWithNeighbours(std::vector<float>& in, float value) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float x :
       {std::nextafter(value, -kInfinity), value, std::nextafter(value, kInfinity)}) {
    in.push_back(x);
    in.push_back(-x);
  }
}

TEST_P(Convert, EveryCodeAndEveryHalfway) {
  for (const Format& format : kFormats) {
    std::vector<float> in;
    for (std::uint32_t code = 0; code <= format.largest; ++code) {
      const double value = format.Value(code);
      AddWithNeighbours(in, static_cast<float>(value));
      AddWithNeighbours(in, static_cast<float>((value + format.Value(code + 1)) / 2));
    }
    ExpectNearest(format, in);
  }
}

TEST_P(Convert, ASweepOfAllBitPatterns) {
  std::vector<float> in;
  // An odd stride: every exponent, all low bits.
  for (std::uint64_t bits = 0; bits < 1ull << 32; bits += 40'503) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!std::isnan(value)) in.push_back(value);
  }
  for (const Format& format : kFormats) ExpectNearest(format, in);
}

TEST_P(Convert, ZerosInfinitiesAndNan) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Format& format : kFormats) {
    ExpectNearest(format, {0.0f, -0.0f, kInfinity, -kInfinity, std::numeric_limits<float>::max(),
                           std::numeric_limits<float>::denorm_min(),
                           -std::numeric_limits<float>::denorm_min()});
    // Long enough for a whole vector.
    const std::vector<float> nans(40, std::numeric_limits<float>::quiet_NaN());
    for (const std::uint32_t code : Codes(format, nans)) {
      EXPECT_GT(code & ~format.Sign(), format.saturates ? format.largest : format.infinity)
          << format.name;
    }
  }
}

TEST_P(Convert, Float64WidensAndFloat32Copies) {
  const std::vector<float> in = {0.1f, -0.0f, 1e-45f, 3e38f, -7.25f};
  std::vector<double> wide(in.size());
  kernels_.convert(in.data(), 5, DType::kFloat64, reinterpret_cast<std::byte*>(wide.data()));
  std::vector<float> same(in.size());
  kernels_.convert(in.data(), 5, DType::kFloat32, reinterpret_cast<std::byte*>(same.data()));
  for (std::size_t i = 0; i < in.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(wide[i]),
              std::bit_cast<std::uint64_t>(static_cast<double>(in[i])));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(same[i]), std::bit_cast<std::uint32_t>(in[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, Convert, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

}  // namespace
}  // namespace weightinit::kernels
