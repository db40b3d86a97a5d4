#include "weightinit/element.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace weightinit {
namespace {

template <typename T>
std::array<std::byte, sizeof(T)> Bytes(T value) {
  std::array<std::byte, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::optional<std::uint64_t> Ulps(float a, float b) {
  return UlpDistance(Bytes(a), Bytes(b), DType::kFloat32);
}

TEST(ElementTest, UlpsCountTheStepsOfNextafter) {
  for (const float start : {0.0f, 1.0f, -1.0f, 1e-45f, -1e-38f, 3.4e38f, 65504.0f}) {
    float value = start;
    for (std::uint64_t steps = 0; steps < 20; ++steps) {
      EXPECT_EQ(Ulps(start, value), steps);
      EXPECT_EQ(Ulps(value, start), steps);
      value = std::nextafter(value, -std::numeric_limits<float>::infinity());
    }
  }
}

TEST(ElementTest, ZerosAreOnePlace) {
  EXPECT_EQ(Ulps(0.0f, -0.0f), 0u);
  EXPECT_EQ(
      Ulps(std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::denorm_min()),
      2u);
}

TEST(ElementTest, TheLargestDistanceFits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Ulps(-kInfinity, kInfinity), 2u * 0x7f800000u);
  constexpr double kLargest = std::numeric_limits<double>::max();
  EXPECT_EQ(UlpDistance(Bytes(-kLargest), Bytes(kLargest), DType::kFloat64),
            2 * std::uint64_t{0x7fefffffffffffff});
}

TEST(ElementTest, NaNIsNowhere) {
  EXPECT_EQ(Ulps(std::numeric_limits<float>::quiet_NaN(), 1.0f), std::nullopt);
  EXPECT_EQ(UlpDistance(Bytes(std::uint8_t{0x7f}), Bytes(std::uint8_t{0}), DType::kFloat8E4M3FN),
            std::nullopt);
}

TEST(ElementTest, SmallTypes) {
  EXPECT_EQ(
      UlpDistance(Bytes(std::uint16_t{0x3f80}), Bytes(std::uint16_t{0x3f82}), DType::kBFloat16),
      2u);
  EXPECT_EQ(UlpDistance(Bytes(std::uint8_t{0x80}), Bytes(std::uint8_t{0x01}), DType::kFloat8E5M2),
            1u);
  EXPECT_EQ(ElementValue(Bytes(std::uint16_t{0x3f80}), DType::kBFloat16), 1.0);
}

TEST(ElementTest, IntegersDiffer) {
  EXPECT_EQ(UlpDistance(Bytes(std::int32_t{-3}), Bytes(std::int32_t{4}), DType::kInt32), 7u);
  EXPECT_EQ(UlpDistance(Bytes(std::numeric_limits<std::int64_t>::min()),
                        Bytes(std::numeric_limits<std::int64_t>::max()), DType::kInt64),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(UlpDistance(Bytes(std::uint8_t{255}), Bytes(std::uint8_t{0}), DType::kUInt8), 255u);
}

}  // namespace
}  // namespace weightinit
