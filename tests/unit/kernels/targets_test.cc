// Every target writes the bytes of the scalar reference: any distribution, dtype, start, length and
// alignment.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lib/source/kernels/kernels.h"
#include "tests/unit/kernels/test_draws.h"

namespace weightinit::kernels {
namespace {

const Kernels& Scalar() { return *FindKernels("scalar"); }

class Targets : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();

  void ExpectSame(const Distribution& distribution, const NamedDType& dtype, std::uint64_t first,
                  std::int64_t count, std::size_t misalignment = 0) {
    constexpr std::byte kCanary{0xA5};
    const std::size_t bytes = static_cast<std::size_t>(count) * dtype.width;
    const std::vector<std::byte> expected = Draw(distribution, Scalar(), first, count, dtype);
    std::vector<std::byte> got(misalignment + bytes + 64, kCanary);
    distribution.draw(kernels_, first, count, dtype.dtype, got.data() + misalignment);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      ASSERT_EQ(BitsAt(got.data() + misalignment, i, dtype.width),
                BitsAt(expected.data(), i, dtype.width))
          << distribution.name << " " << dtype.name << " first " << first << " count " << count
          << " element " << i;
    }
    for (std::size_t i = 0; i < got.size(); ++i) {
      if (i < misalignment || i >= misalignment + bytes) {
        ASSERT_EQ(got[i], kCanary) << "wrote outside at " << i;
      }
    }
  }
};

TEST_P(Targets, EveryDistributionAndDType) {
  for (const Distribution& distribution : Distributions()) {
    for (const NamedDType& dtype : kFloatingDTypes) {
      ExpectSame(distribution, dtype, 0, 5000);
      ExpectSame(distribution, dtype, 3, 2500);
    }
  }
}

TEST_P(Targets, EveryStartAndLength) {
  const Distribution distributions[] = {
      UniformOf("uniform", -1, 2), NormalOf("normal", 0.5, 2),
      TruncatedOf("truncated_normal", MakeTruncatedNormalParams(0, 1, -3, 2.5))};
  for (const Distribution& distribution : distributions) {
    for (std::uint64_t first = 0; first < 9; ++first) {
      for (std::int64_t count = 0; count < 140; ++count) {
        ExpectSame(distribution, kFloatingDTypes[0], first, count);
        ExpectSame(distribution, kFloatingDTypes[1], first, count);
      }
    }
  }
}

TEST_P(Targets, EveryMisalignment) {
  for (const NamedDType& dtype : kFloatingDTypes) {
    for (std::size_t misalignment = 0; misalignment < 9; ++misalignment) {
      ExpectSame(NormalOf("normal", 0, 1), dtype, 5, 2100, misalignment);
    }
  }
}

TEST_P(Targets, FarIndexesAndCarries) {
  // Around where the low half of the block overflows (2^34), the runs of draw.h (2048), and the end
  // of all indexes.
  const std::uint64_t starts[] = {(1ull << 34) - 300, (1ull << 34) - 1,   (3ull << 34) - 129,
                                  2048 - 5,           (1ull << 62) - 257, (1ull << 63) - 700};
  const Distribution distributions[] = {
      UniformOf("uniform", -1, 1), NormalOf("normal", 0, 1),
      TruncatedOf("truncated_normal", MakeTruncatedNormalParams(0, 1, -2, 2))};
  for (const Distribution& distribution : distributions) {
    for (const std::uint64_t first : starts) {
      ExpectSame(distribution, kFloatingDTypes[0], first, 700);
      ExpectSame(distribution, kFloatingDTypes[5], first, 700);
    }
  }
}

TEST_P(Targets, Words) {
  for (const int plane : {kValuePlane, 1, kSelectionPlane, 3}) {
    for (const std::uint64_t first : {0ull, 1ull, 7ull, (1ull << 34) - 70, (1ull << 63) - 150}) {
      std::vector<std::uint32_t> got(150), expected(150);
      kernels_.words(kStream, plane, first, got);
      Scalar().words(kStream, plane, first, expected);
      EXPECT_EQ(got, expected) << plane << " " << first;
    }
  }
}

TEST_P(Targets, ALongRun) {
  for (const Distribution& distribution : Distributions()) {
    const std::vector<std::byte> got = Draw(distribution, kernels_, 1, 300'000, kFloatingDTypes[0]);
    const std::vector<std::byte> expected =
        Draw(distribution, Scalar(), 1, 300'000, kFloatingDTypes[0]);
    EXPECT_TRUE(got == expected) << distribution.name;
  }
}

// Kernels take short cuts for some bounds: powers of two, symmetric ones, those that cannot be
// passed.
TEST_P(Targets, EveryKindOfUniformBounds) {
  const std::pair<double, double> bounds[] = {{0, 1},
                                              {-1, 1},
                                              {1, 3},
                                              {-0.02, 0.02},
                                              {0.25, 0.5},
                                              {0.3, 0.425},
                                              {-1e-30, 1e-30},
                                              {0x1p-60, 0x1p-59},
                                              {-0x1p-99, 0x1p-99},
                                              {-0x1p-100, 0x1p-100},
                                              {-0x1p-126, 0x1p-126},
                                              {-0x1p-149, 0x1p-149},
                                              {0, 0x1p-101},
                                              {-0x1p127, 0x1p127},
                                              {0.1, 0.7}};
  for (const auto& [low, high] : bounds) {
    ExpectSame(UniformOf(std::to_string(low) + " to " + std::to_string(high), low, high),
               kFloatingDTypes[0], 0, 50'000);
  }
}

// Words with all bits, none, one or all but one, in every combination of a pair: the ends of U, of
// the angle and of u.
std::vector<std::uint32_t> ExtremeWords() {
  std::vector<std::uint32_t> one = {0, 0xFFFFFFFF, 0xFFFFFF00, 0x000000FF};
  for (int bit = 0; bit < 32; ++bit) {
    for (const std::uint32_t w : {1u << bit, (1u << bit) - 1, ~(1u << bit), 0u - (1u << bit)}) {
      one.push_back(w);
    }
  }
  std::vector<std::uint32_t> pairs;
  for (const std::uint32_t first : one) {
    for (const std::uint32_t second : one) pairs.insert(pairs.end(), {first, second});
  }
  return pairs;
}

TEST_P(Targets, ExtremeWords) {
  const std::vector<std::uint32_t> words = ExtremeWords();
  const auto count = static_cast<std::int64_t>(words.size());
  std::vector<float> got(words.size()), expected(words.size());
  kernels_.normal_of_words(words.data(), count, got.data());
  Scalar().normal_of_words(words.data(), count, expected.data());
  EXPECT_EQ(got, expected);
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const auto& [a, b] : {std::pair{-2.0, 2.0},
                             {-kInfinity, kInfinity},
                             {8.0, kInfinity},
                             {-3.0, 1.0},
                             {-kInfinity, -1.0},
                             {0.3, 0.3}}) {
    const TruncatedNormalParams p = MakeTruncatedNormalParams(0, 1, a, b);
    kernels_.truncated_normal_of_words(p, words.data(), count, got.data());
    Scalar().truncated_normal_of_words(p, words.data(), count, expected.data());
    EXPECT_EQ(got, expected) << a << " " << b;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, Targets, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

// The scalar reference itself: pieces of a draw are the draw.
TEST(Scalar, PiecesEqualTheWhole) {
  for (const Distribution& distribution : Distributions()) {
    for (const NamedDType& dtype : kFloatingDTypes) {
      const std::vector<std::byte> whole = Draw(distribution, Scalar(), 0, 200, dtype);
      std::vector<std::byte> pieces;
      std::uint64_t first = 0;
      for (std::int64_t count = 1; first < 200; ++count) {
        count = std::min<std::int64_t>(count, 200 - static_cast<std::int64_t>(first));
        const std::vector<std::byte> piece = Draw(distribution, Scalar(), first, count, dtype);
        pieces.insert(pieces.end(), piece.begin(), piece.end());
        first += static_cast<std::uint64_t>(count);
      }
      EXPECT_TRUE(whole == pieces) << distribution.name << " " << dtype.name;
    }
  }
}

}  // namespace
}  // namespace weightinit::kernels
