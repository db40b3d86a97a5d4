// Parts of fills equal the whole; what each fill takes from the generator.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/numbers.h"
#include "lib/source/torch_cpu/trunc_normal.h"

namespace weightinit::torch_cpu {
namespace {

constexpr DType kDTypes[] = {DType::kFloat32, DType::kFloat64, DType::kBFloat16, DType::kFloat16};
constexpr Variant kVariants[] = {Variant::kAvx2, Variant::kAvx2NoFma, Variant::kDefault,
                                 Variant::kDefaultFma};
constexpr TorchVersion kVersions[] = {{1, 13}, {2, 11}, {2, 12}};

template <class Function>
void ForEveryDialect(const Function& function) {
  for (const Variant variant : kVariants) {
    for (const TorchVersion version : kVersions) {
      for (const DType dtype : kDTypes) function(Dialect{variant, version}, dtype);
    }
  }
}

// Draws [first, first + count) of n elements for many parts, ascending ones from one FillWords, to
// unaligned memory, and compares with the whole.
template <class DrawPart>
void ExpectPartsEqualTheWhole(DType dtype, std::int64_t n, const Mt19937& start,
                              const DrawPart& draw) {
  const auto size = static_cast<std::size_t>(SizeBytes(dtype));
  std::vector<std::byte> whole(static_cast<std::size_t>(n) * size);
  FillWords all(start);
  draw(all, 0, n, whole.data());
  std::mt19937 engine(static_cast<std::uint32_t>(n));
  const auto choose = [&](int below) {
    return static_cast<std::int64_t>(engine() % static_cast<std::uint32_t>(below));
  };
  for (int turn = 0; turn < 10; ++turn) {
    FillWords words(start);
    for (std::int64_t first = 0; first < n;) {
      first += choose(3) == 0 ? choose(40) : 0;
      const std::int64_t most = n - first;
      if (most <= 0) break;
      const std::int64_t count = std::min(most, 1 + choose(70));
      // Parts that share a block need its words twice.
      const std::int64_t block = first - first % 16;
      if (words.position() > static_cast<std::uint64_t>(block) * WordsPerElement(dtype))
        words = FillWords(start);
      std::vector<std::byte> part(static_cast<std::size_t>(count) * size + 1);
      draw(words, first, count, part.data() + 1);
      ASSERT_EQ(std::memcmp(part.data() + 1, whole.data() + static_cast<std::size_t>(first) * size,
                            part.size() - 1),
                0)
          << first << " + " << count << " of " << n << " " << Name(dtype);
      first += count;
    }
  }
}

TEST(Parts, Uniform) {
  const UniformFill fill{.from = -0.37, .to = 0.41};
  ForEveryDialect([&](const Dialect& dialect, DType dtype) {
    for (const std::int64_t n : {1, 700, 9000}) {
      ExpectPartsEqualTheWhole(dtype, n, Seeded(1).words, [&](FillWords& words, auto... rest) {
        const auto [first, count, out] = std::tuple(rest...);
        DrawUniform(words, dialect, fill, dtype, first, count, out);
      });
    }
  });
}

TEST(Parts, Normal) {
  const NormalFill fill{.mean = 0.5, .std = 0.02};
  ForEveryDialect([&](const Dialect& dialect, DType dtype) {
    for (const std::int64_t n : {16, 17, 31, 32, 700, 5000, 5008}) {
      ExpectPartsEqualTheWhole(dtype, n, Seeded(1).words, [&](FillWords& words, auto... rest) {
        const auto [first, count, out] = std::tuple(rest...);
        DrawBlockNormal(words, dialect, fill, dtype, n, first, count, out);
      });
    }
  });
}

TEST(Words, AsManyAsAFillTakes) {
  ForEveryDialect([&](const Dialect& dialect, DType dtype) {
    for (const std::int64_t n : {0, 1, 16, 17, 100, 5000}) {
      std::vector<std::byte> values(static_cast<std::size_t>(n * SizeBytes(dtype)));
      Generator generator = Seeded(5), expected = Seeded(5);
      FillUniform(generator, dialect, {}, dtype, n, values.data());
      expected.words.Skip(static_cast<std::uint64_t>(n) * WordsPerElement(dtype));
      ASSERT_EQ(generator, expected) << "uniform " << n;
      if (!IsFilledInBlocks(n)) continue;
      FillNormal(generator, dialect, {}, dtype, n, values.data());
      expected.words.Skip(BlockNormalWords(dialect, dtype, n));
      ASSERT_EQ(generator, expected) << "normal " << n;
    }
  });
}

// Since 2.12 the 16-bit fills draw no leftovers.
TEST(Words, TailsOfNormals) {
  const Dialect classic{Variant::kAvx2, {2, 11}}, newer{Variant::kAvx2, {2, 12}};
  EXPECT_EQ(BlockNormalWords(classic, DType::kFloat32, 32), 32u);
  EXPECT_EQ(BlockNormalWords(classic, DType::kFloat32, 33), 33u + 16u);
  EXPECT_EQ(BlockNormalWords(classic, DType::kFloat64, 33), 2 * (33u + 16u));
  EXPECT_EQ(BlockNormalWords(classic, DType::kBFloat16, 33), 33u + 16u);
  EXPECT_EQ(BlockNormalWords(newer, DType::kBFloat16, 33), 32u + 16u);
  EXPECT_EQ(BlockNormalWords(newer, DType::kFloat32, 33), 33u + 16u);
}

TEST(Serial, KeepsEverySecondValue) {
  Generator generator = Seeded(1);
  double values[3];
  DrawSerialNormal(generator, {}, {}, DType::kFloat64, 1, reinterpret_cast<std::byte*>(values));
  ASSERT_TRUE(generator.cached_normal.has_value());
  const double kept = *generator.cached_normal;
  std::vector<std::byte> other(400);
  FillUniform(generator, {}, {}, DType::kFloat32, 100, other.data());
  FillNormal(generator, {}, {}, DType::kFloat32, 100, other.data());
  DrawSerialNormal(generator, {}, {.mean = 2, .std = 3}, DType::kFloat64, 1,
                   reinterpret_cast<std::byte*>(values));
  EXPECT_EQ(values[0], std::fma(kept, 3.0, 2.0));
  EXPECT_FALSE(generator.cached_normal.has_value());
}

// The last value below `to` rounds up to it in 16 bits.
TEST(Uniform, NeverReachesItsEndSince2_12) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    Generator generator = Seeded(1);
    std::vector<std::uint16_t> values(1 << 16);
    FillUniform(generator, {Variant::kAvx2, {2, 12}}, {.from = -1, .to = 1}, dtype, 1 << 16,
                reinterpret_cast<std::byte*>(values.data()));
    const std::uint16_t one = dtype == DType::kBFloat16 ? 0x3F80 : 0x3C00;
    EXPECT_EQ(std::count(values.begin(), values.end(), one), 0);
  }
}

TEST(TruncNormal, RejectionStaysWithinTheBoundsAndCanBeCancelled) {
  const TruncNormalFill fill{.mean = 0.1, .std = 1, .a = -0.5, .b = 0.9};
  ASSERT_TRUE(RejectsNormals(fill));
  EXPECT_FALSE(RejectsNormals({.mean = 0, .std = 1, .a = 2, .b = 3}));
  const Dialect dialect{Variant::kAvx2, {2, 12}};
  for (const std::int64_t n : {0, 5, 1000}) {
    Generator generator = Seeded(2);
    std::vector<float> values(static_cast<std::size_t>(n));
    EXPECT_TRUE(DrawTruncNormalByRejection(generator, dialect, fill, DType::kFloat32, n,
                                           reinterpret_cast<std::byte*>(values.data())));
    for (const float value : values) {
      EXPECT_GE(value, -0.5f);
      EXPECT_LE(value, 0.9f);
    }
  }
  Generator generator = Seeded(2);
  std::vector<float> values(1000);
  EXPECT_FALSE(DrawTruncNormalByRejection(generator, dialect, fill, DType::kFloat32, 1000,
                                          reinterpret_cast<std::byte*>(values.data()),
                                          [] { return true; }));
}

TEST(RandPerm, Permutes) {
  for (const std::uint32_t n : {0u, 1u, 2u, 1024u, 1025u, 3000u}) {
    Generator generator = Seeded(n), expected = Seeded(n);
    std::vector<std::uint32_t> permutation(n);
    RandPerm(generator, permutation);
    std::sort(permutation.begin(), permutation.end());
    for (std::uint32_t i = 0; i < n; ++i) ASSERT_EQ(permutation[i], i);
    expected.words.Skip(n == 0 ? 0 : n - 1);
    EXPECT_EQ(generator, expected);
  }
}

}  // namespace
}  // namespace weightinit::torch_cpu
