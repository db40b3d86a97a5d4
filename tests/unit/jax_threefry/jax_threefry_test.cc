// JAX_THREEFRY against values that JAX and Random123 publish; every target against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "lib/source/jax_threefry/kernels.h"
#include "lib/source/jax_threefry/random.h"

namespace weightinit::jax_threefry {
namespace {

// Random123's known answers, as in jax/tests/random_test.py.
TEST(Threefry, KnownAnswers) {
  EXPECT_EQ(Block({0, 0}, 0, 0), (Key{0x6b200159, 0x99ba4efe}));
  EXPECT_EQ(Block({~0u, ~0u}, ~0u, ~0u), (Key{0x1cb996fc, 0xbb002be7}));
  EXPECT_EQ(Block({0x13198a2e, 0x03707344}, 0x243f6a88, 0x85a308d3), (Key{0xc4923a9c, 0x483df7a0}));
}

// jax's documentation of key(), fold_in and its stateful example.
TEST(Threefry, Keys) {
  EXPECT_EQ(KeyOf(42), (Key{0, 42}));
  EXPECT_EQ(KeyOf(static_cast<std::uint64_t>(-1)), (Key{0, 4294967295u}));
  EXPECT_EQ(WideKeyOf(static_cast<std::uint64_t>(-1)), (Key{4294967295u, 4294967295u}));
  const Key key = KeyOf(0);
  for (std::uint32_t i = 0; i < 5; ++i)
    EXPECT_EQ(Split(key, Layout::kPartitionable, 5, i), FoldIn(key, i));
  EXPECT_EQ(FoldIn(KeyOf(0), 0), (Key{1797259609u, 2579123966u}));
  EXPECT_EQ(FoldIn(KeyOf(0), 1), (Key{928981903u, 3453687069u}));
  EXPECT_EQ(FoldIn(KeyOf(42), 4), (Key{2954079971u, 3276725750u}));
  EXPECT_EQ(FoldIn(KeyOf(42), 5), (Key{2765691542u, 824333390u}));
  EXPECT_EQ(FoldIn(KeyOf(0), 4), (Key{2285895361u, 433833334u}));  // jax/tests/random_test.py
}

// jax/tests/random_test.py: bits under key 1701 in the legacy layout.
TEST(Threefry, LegacyBits) {
  const Array array{KeyOf(1701), Layout::kLegacy, 3};
  const auto bits = [&](int size) {
    std::vector<std::uint32_t> drawn(3);
    DrawBits(array, size, 0, drawn);
    return drawn;
  };
  EXPECT_EQ(bits(8), (std::vector<std::uint32_t>{216, 115, 43}));
  EXPECT_EQ(bits(16), (std::vector<std::uint32_t>{41682, 1300, 55017}));
  EXPECT_EQ(bits(32), (std::vector<std::uint32_t>{56197195, 4200222568, 961309823}));
  std::vector<std::uint64_t> wide(3);
  DrawBits64(array, 0, wide);
  EXPECT_EQ(wide, (std::vector<std::uint64_t>{3982329540505020460u, 16822122385914693683u,
                                              7882654074788531506u}));
}

class EveryTarget : public ::testing::TestWithParam<const Kernels*> {};

TEST_P(EveryTarget, Blocks) {
  const Key key{0x13198a2e, 0x03707344};
  for (const std::uint32_t step : {0u, 1u}) {
    for (const std::size_t count : {0u, 1u, 3u, 8u, 31u, 33u, 64u, 127u, 1000u}) {
      std::vector<std::uint32_t> a(count + 1, 7), b(a), c(a), d(a);
      ScalarKernels().blocks(key, 5, step, 0xFFFFFFF0, count, a.data(), b.data());
      GetParam()->blocks(key, 5, step, 0xFFFFFFF0, count, c.data(), d.data());
      ASSERT_EQ(a, c) << count;
      ASSERT_EQ(b, d) << count;
      GetParam()->blocks(key, 5, step, 0xFFFFFFF0, count, nullptr, c.data());
      ASSERT_EQ(b, c) << count;
    }
  }
}

TEST_P(EveryTarget, NormalOfUniform) {
  std::vector<float> u;
  const float lowest = std::nextafter(-1.0f, 0.0f);
  for (std::uint32_t bits = 0; bits < (1u << 23); bits += 97)
    u.push_back(std::max(lowest, static_cast<float>(bits) * 0x1p-22f + lowest));
  u.push_back(0.99999988f);
  u.push_back(0.0f);
  std::vector<float> expected(u.size()), got(u.size());
  ScalarKernels().normal_of_uniform(u.data(), u.size(), expected.data());
  GetParam()->normal_of_uniform(u.data(), u.size(), got.data());
  EXPECT_EQ(std::memcmp(got.data(), expected.data(), u.size() * sizeof(float)), 0);
}

INSTANTIATE_TEST_SUITE_P(Targets, EveryTarget, ::testing::ValuesIn(AllKernels()),
                         [](const auto& test) { return std::string(test.param->target); });

std::vector<float> Uniform(std::uint64_t seed, std::size_t n, float minval = 0, float maxval = 1,
                           Layout layout = Layout::kPartitionable) {
  std::vector<float> values(n);
  DrawUniform({KeyOf(seed), layout, n}, minval, maxval, 0, values);
  return values;
}

// Values that jax's documentation prints.
TEST(Uniform, Published) {
  EXPECT_EQ(Uniform(0, 1)[0], 0.947667f);
  EXPECT_EQ(Uniform(0, 3), (std::vector<float>{0.947667f, 0.9785799f, 0.33229148f}));
  std::vector<float> value(1);
  DrawUniform({Split(KeyOf(0), Layout::kPartitionable, 2, 1), Layout::kPartitionable, 1}, 0, 1, 0,
              value);
  EXPECT_NEAR(value[0], 0.00729382f, 1e-8);
  const float folded[] = {0.5302608f, 0.72766423f, 0.6672406f, 0.3890121f};
  for (std::uint32_t i = 0; i < 4; ++i) {
    DrawUniform({FoldIn(KeyOf(42), i), Layout::kPartitionable, 1}, 0, 1, 0, value);
    EXPECT_EQ(value[0], folded[i]) << i;
  }
}

TEST(Normal, Published) {
  std::vector<float> values(3);
  DrawNormal({KeyOf(42), Layout::kPartitionable, 3}, 0, values);
  const float printed[] = {-0.02830462f, 0.46713185f, 0.29570296f};  // to 8 digits
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(values[i], printed[i], 1e-8);
  // key, subkey = split(key), again and again.
  Key chain = KeyOf(42);
  for (const float in_turn : {0.6057640314102173f, -0.21089035272598267f, -0.3948981463909149f}) {
    std::vector<float> value(1);
    DrawNormal({Split(chain, Layout::kPartitionable, 2, 1), Layout::kPartitionable, 1}, 0, value);
    EXPECT_EQ(value[0], in_turn);
    chain = Split(chain, Layout::kPartitionable, 2, 0);
  }
  const float subkeys[] = {0.07592554f, 0.60576403f, 0.4323065f};
  for (std::uint32_t i = 0; i < 3; ++i) {
    const Key key = Split(KeyOf(42), Layout::kPartitionable, 3, i);
    std::vector<float> value(1);
    DrawNormal({key, Layout::kPartitionable, 1}, 0, value);
    EXPECT_NEAR(value[0], subkeys[i], 1e-8) << i;
  }
}

TEST(Parts, EqualTheWhole) {
  std::mt19937 choose(1);
  for (const Layout layout : {Layout::kPartitionable, Layout::kLegacy}) {
    for (const std::uint64_t total : {1u, 2u, 3u, 1000u, 5001u}) {
      const Array array{KeyOf(9), layout, total};
      for (const int bits : {8, 16, 32}) {
        std::vector<std::uint32_t> whole(total);
        DrawBits(array, bits, 0, whole);
        for (int turn = 0; turn < 20; ++turn) {
          const std::size_t first = choose() % total;
          std::vector<std::uint32_t> part(1 + choose() % (total - first));
          DrawBits(array, bits, first, part);
          ASSERT_TRUE(std::equal(part.begin(), part.end(),
                                 whole.begin() + static_cast<std::ptrdiff_t>(first)))
              << total << " " << bits << " " << first;
        }
      }
      std::vector<std::uint64_t> whole(total), part(1);
      DrawBits64(array, 0, whole);
      DrawBits64(array, total - 1, part);
      EXPECT_EQ(part[0], whole.back());
    }
  }
}

// Across 2^32, where the high half of the index changes.
TEST(Parts, BeyondTheLowHalf) {
  const Array array{KeyOf(1), Layout::kPartitionable, std::uint64_t{1} << 40};
  std::vector<std::uint32_t> words(10);
  DrawBits(array, 32, (std::uint64_t{1} << 32) - 5, words);
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::uint64_t at = (std::uint64_t{1} << 32) - 5 + i;
    const Key block =
        Block(array.key, static_cast<std::uint32_t>(at >> 32), static_cast<std::uint32_t>(at));
    EXPECT_EQ(words[i], block.first ^ block.second);
  }
}

TEST(TruncatedNormal, StaysWithinItsBounds) {
  std::vector<float> values(100000);
  DrawTruncatedNormal({KeyOf(3), Layout::kPartitionable, values.size()}, -2, 1.5f, 0, values);
  for (const float value : values) {
    ASSERT_GT(value, -2.0f);
    ASSERT_LT(value, 1.5f);
  }
}

}  // namespace
}  // namespace weightinit::jax_threefry
