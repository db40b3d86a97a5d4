// TORCH_CPU's kernels: every target writes what the scalar reference does.
#include "lib/source/torch_cpu/kernels.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "lib/source/torch_cpu/exact_fma.h"

namespace weightinit::torch_cpu {
namespace {

std::vector<std::uint32_t> RandomWords(std::size_t count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  std::vector<std::uint32_t> words(count);
  for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(engine());
  return words;
}

// Words whose 24 low bits are at the ends of their range, among others.
std::vector<std::uint32_t> HardWords() {
  std::vector<std::uint32_t> words = RandomWords(4096, 3);
  constexpr std::array<std::uint32_t, 8> kEnds = {0,        1,        2,        0xFFFFFF,
                                                  0xFFFFFE, 0x800000, 0x7FFFFF, 0xFF000000};
  for (std::size_t i = 0; i < 1024; ++i) words[i] = kEnds[(i / 8 + i * 5) % kEnds.size()];
  return words;
}

class EveryTarget : public ::testing::TestWithParam<const Kernels*> {};

TEST_P(EveryTarget, Refill) {
  std::array<std::uint32_t, kPaddedStateWords> expected{}, got{};
  const std::vector<std::uint32_t> words = RandomWords(kStateWords, 1);
  std::copy(words.begin(), words.end(), expected.begin());
  got = expected;
  for (int turn = 0; turn < 5; ++turn) {
    ScalarKernels().refill(expected.data());
    GetParam()->refill(got.data());
    ASSERT_TRUE(std::equal(expected.begin(), expected.begin() + kStateWords, got.begin())) << turn;
  }
}

TEST_P(EveryTarget, TemperAnyCount) {
  const std::vector<std::uint32_t> words = RandomWords(100, 2);
  for (std::size_t count = 0; count <= words.size(); ++count) {
    std::vector<std::uint32_t> expected(count + 1, 7), got(count + 1, 7);
    ScalarKernels().temper(words.data(), count, expected.data());
    GetParam()->temper(words.data(), count, got.data());
    ASSERT_EQ(got, expected);
  }
}

TEST_P(EveryTarget, UniformAnyCountAndDigits) {
  const std::vector<std::uint32_t> words = HardWords();
  for (const bool fused : {false, true}) {
    for (const int digits : {8, 11, 24}) {
      for (const Affine affine :
           {Affine{0, 1}, Affine{-0.37f, 0.74f}, Affine{1e-30f, 3e-38f}, Affine{-3e38f, 3e38f}}) {
        for (const std::size_t count : {0u, 1u, 3u, 7u, 8u, 15u, 31u, 4096u}) {
          std::vector<float> expected(count + 1, 7), got(count + 1, 7);
          ScalarKernels().uniform(words.data(), count, digits, affine, fused, expected.data());
          GetParam()->uniform(words.data(), count, digits, affine, fused, got.data());
          ASSERT_EQ(std::memcmp(got.data(), expected.data(), (count + 1) * sizeof(float)), 0)
              << fused << " " << digits << " " << affine.offset << " " << count;
          std::vector<std::uint32_t> tempered(count);
          ScalarKernels().temper(words.data(), count, tempered.data());
          ScalarKernels().uniform(tempered.data(), count, digits, affine, fused, expected.data());
          GetParam()->uniform_of_state(words.data(), count, digits, affine, fused, got.data());
          ASSERT_EQ(std::memcmp(got.data(), expected.data(), (count + 1) * sizeof(float)), 0)
              << fused << " " << digits << " " << affine.offset << " " << count;
        }
      }
    }
  }
}

TEST_P(EveryTarget, NormalAnyNumberOfBlocks) {
  const std::vector<std::uint32_t> words = HardWords();
  for (const bool fused : {false, true}) {
    for (const Affine affine : {Affine{0, 1}, Affine{0.5f, 0.02f}, Affine{-1e-38f, 1e-39f}}) {
      for (const std::size_t blocks : {0u, 1u, 2u, 3u, 7u, 256u}) {
        std::vector<float> expected(blocks * kNormalBlock + 1, 7), got(expected);
        ScalarKernels().normal(words.data(), blocks, affine, fused, expected.data());
        GetParam()->normal(words.data(), blocks, affine, fused, got.data());
        ASSERT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
            << fused << " " << affine.offset << " " << blocks;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, EveryTarget, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

// Against libm, which is right by definition: near ties, cancellation, subnormals and overflow.
TEST(ExactFma, EqualsLibm) {
  std::mt19937_64 engine(1);
  const auto number = [&](int spread) {
    const auto mantissa = static_cast<float>(static_cast<int>(engine() % (1 << 24)) - (1 << 23));
    return std::ldexp(mantissa,
                      static_cast<int>(engine() % static_cast<unsigned>(spread)) - spread / 2 - 23);
  };
  for (int i = 0; i < 2'000'000; ++i) {
    float a = number(40), b = number(40), c = number(40);
    if (i % 3 == 0) c = -a * b * (1 + static_cast<float>(engine() % 5) * 0x1p-23f);
    if (i % 5 == 0) {
      a *= 0x1p-70f;
      b *= 0x1p-70f;
      c *= 0x1p-140f;
    }
    if (i % 7 == 0) a = std::ldexp(a, 90);
    if (i % 14 == 0) b = std::ldexp(b, 90);
    const float expected = std::fma(a, b, c), got = ExactFma(a, b, c);
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(expected))
        << std::hexfloat << a << " " << b << " " << c;
  }
}

}  // namespace
}  // namespace weightinit::torch_cpu
