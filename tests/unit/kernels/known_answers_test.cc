// The known answers of docs/philox-v1.md, on every target.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "lib/source/kernels/kernels.h"
#include "tests/unit/kernels/test_draws.h"

namespace weightinit::kernels {
namespace {

using ::testing::ElementsAre;

class KnownAnswers : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();

  std::vector<std::uint32_t> Words(Stream stream, int plane, std::uint64_t first, std::size_t n) {
    std::vector<std::uint32_t> words(n);
    kernels_.words(stream, plane, first, words);
    return words;
  }

  std::vector<std::uint64_t> Bits(const Distribution& distribution, const NamedDType& dtype,
                                  std::int64_t count) {
    const std::vector<std::byte> data = Draw(distribution, kernels_, 0, count, dtype);
    std::vector<std::uint64_t> bits;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      bits.push_back(BitsAt(data.data(), i, dtype.width));
    }
    return bits;
  }
};

TEST_P(KnownAnswers, PhiloxOfZeros) {
  EXPECT_THAT(Words({0, 0}, 0, 0, 4), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
}

TEST_P(KnownAnswers, PhiloxOfOnes) {
  // Counter and key all ones: the last block of plane 3.
  EXPECT_THAT(Words({~0ull, ~0ull}, 3, ((1ull << 62) - 1) * 4, 4),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
}

TEST_P(KnownAnswers, PhiloxOfPi) {
  // Random123: counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0. Block
  // 85a308d3243f6a88 lies in plane 2.
  const std::uint64_t block = 0x85a308d3243f6a88;
  EXPECT_THAT(Words({0x299f31d0a4093822, 0x0370734413198a2e}, static_cast<int>(block >> 62),
                    (block & ((1ull << 62) - 1)) * 4, 4),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_P(KnownAnswers, WordsOfTheExample) {
  EXPECT_THAT(Words(kStream, kValuePlane, 0, 4),
              ElementsAre(0x71a978f0, 0x12ec5627, 0x04ef03c7, 0x3a08f1b7));
  EXPECT_THAT(Words(kStream, kValuePlane, (1ull << 34) + 5, 1), ElementsAre(0x06feab02));
  EXPECT_THAT(Words(kStream, kSelectionPlane, 0, 1), ElementsAre(0x6d518a7a));
}

TEST_P(KnownAnswers, Uniform) {
  const Distribution uniform = UniformOf("uniform", -0.37, 0.11);
  EXPECT_THAT(Bits(uniform, kFloatingDTypes[0], 4),
              ElementsAre(0xbe20a622, 0xbeab4613, 0xbeb8b426, 0xbe85b9f9));
  EXPECT_THAT(Bits(uniform, kFloatingDTypes[3], 2),
              ElementsAre(0xbfc414c45c28f5c3, 0xbfd568c26b851eb8));
  EXPECT_THAT(Bits(UniformOf("symmetric", -0.5, 0.5), kFloatingDTypes[0], 4),
              ElementsAre(0xbd656878, 0xbeda2753, 0xbef621f9, 0xbe8bee1d));
}

TEST_P(KnownAnswers, DigestOfUniform) {
  const Distribution uniform = UniformOf("uniform", -0.37, 0.11);
  EXPECT_EQ(Digest(Draw(uniform, kernels_, 0, 1000, kFloatingDTypes[0]), 0, 4), 0x2698f5e6fb244bf8);
  EXPECT_EQ(Digest(Draw(uniform, kernels_, 0, 1000, kFloatingDTypes[1]), 0, 2), 0xb786b00875087053);
}

TEST_P(KnownAnswers, Normal) {
  std::vector<float> z(4);
  kernels_.standard_normal(kStream, 0, z);
  // 6 ulp: the numbers are those of the exact functions.
  EXPECT_NEAR(z[0], 1.13933342, 6 * 0x1p-23);
  EXPECT_NEAR(z[1], 0.57080289, 6 * 0x1p-24);
  EXPECT_NEAR(z[2], 0.40998358, 6 * 0x1p-25);
  EXPECT_NEAR(z[3], 2.78030747, 6 * 0x1p-22);
}

TEST_P(KnownAnswers, NormalsOfTwoScalesAreTheSameNoise) {
  std::vector<float> once(100), twice(100);
  kernels_.normal(kStream, MakeNormalParams(0, 0.02), 0, 100, DType::kFloat32,
                  reinterpret_cast<std::byte*>(once.data()));
  kernels_.normal(kStream, MakeNormalParams(0, 0.04), 0, 100, DType::kFloat32,
                  reinterpret_cast<std::byte*>(twice.data()));
  for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(2 * once[i], twice[i]) << i;
}

INSTANTIATE_TEST_SUITE_P(EveryTarget, KnownAnswers, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

TEST(Selection, NamesWhatItTook) {
  for (const Kernels* kernels : AllKernels()) {
    EXPECT_EQ(&KernelsFor(kernels->target), kernels);
    EXPECT_FALSE(SelectKernels(kernels->target).ignored);
  }
  EXPECT_EQ(AllKernels().front()->target, "scalar");
  EXPECT_EQ(&KernelsFor(""), AllKernels().back());
  EXPECT_FALSE(SelectKernels("").ignored);
  EXPECT_EQ(&KernelsFor("AVX9000"), AllKernels().back());
  EXPECT_TRUE(SelectKernels("AVX9000").ignored);
}

TEST(Selection, FollowsTheEnvironment) {
  const char* const variable = std::getenv("WEIGHTINIT_SIMD");
  const std::string requested = variable == nullptr ? "" : variable;
  EXPECT_EQ(SelectionFromEnvironment().requested, requested);
  EXPECT_EQ(&BestKernels(), &KernelsFor(requested));
}

}  // namespace
}  // namespace weightinit::kernels
