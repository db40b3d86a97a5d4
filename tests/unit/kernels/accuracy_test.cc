// z against the exact functions, within the contract's tolerance: max(k·ulp(z*), 2^-22), k = 6 for
// the normal and 8 for the truncated normal distribution. "Exact" is binary64: its errors are below
// 2^-20 of the tolerance.
//
// One target is measured, the best: targets_test.cc shows that all are equal.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Ulp(double t) { return std::ldexp(1.0, std::ilogb(t) - 23); }

// The worst error of a set of z, as part of the tolerance and in ulp (where the tolerance is in
// ulp).
class Worst {
 public:
  explicit Worst(double k) : k_(k) {}

  void Add(double z, double exact) {
    const double error = std::abs(z - exact);
    const double ulp = exact == 0 ? 0 : Ulp(exact);
    const double part = error / std::max(k_ * ulp, 0x1p-22);
    // Not a number is the worst of all.
    if (!(part <= part_)) {
      part_ = part;
      at_ = exact;
    }
    if (k_ * ulp > 0x1p-22) ulps_ = std::max(ulps_, error / ulp);
  }

  void Expect(const std::string& name) const {
    EXPECT_LE(part_, 1) << name << ": at z = " << at_;
    ::testing::Test::RecordProperty(name, absl::StrCat(ulps_, " ulp"));
    std::printf("  %-40s %.3f of the tolerance (at %.9g), %.3f ulp\n", name.c_str(), part_, at_,
                ulps_);
  }

 private:
  double k_;
  double part_ = 0, at_ = 0, ulps_ = 0;
};

// Exact z of pairs of words.
std::pair<double, double> ExactPair(std::uint32_t w0, std::uint32_t w1) {
  // U is a binary32 number by definition, each operation rounded.
  const float low = (static_cast<float>(w1 & 0xFF) + 0.5f) * 0x1p-8f;
  const float u = std::min((static_cast<float>(w0) + low) * 0x1p-32f, 1 - 0x1p-24f);
  const double radius = std::sqrt(-2 * std::log(static_cast<double>(u)));
  // 2πV by quadrants, so that cos and sin are accurate near their zeros.
  const double quarter_turns = ((w1 >> 8) + 0.5) * 0x1p-22;
  const double quadrant = std::floor(quarter_turns + 0.5);
  const double angle = (quarter_turns - quadrant) * (std::numbers::pi / 2);
  const double c = radius * std::cos(angle), s = radius * std::sin(angle);
  switch (static_cast<int>(quadrant) % 4) {
    case 0:
      return {c, s};
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    default:
      return {s, -c};
  }
}

void AddPairs(const std::vector<std::uint32_t>& words, Worst& worst) {
  std::vector<float> z(words.size());
  BestKernels().normal_of_words(words.data(), static_cast<std::int64_t>(words.size()), z.data());
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const auto [first, second] = ExactPair(words[i], words[i + 1]);
    worst.Add(static_cast<double>(z[i]), first);
    worst.Add(static_cast<double>(z[i + 1]), second);
  }
}

TEST(NormalAccuracy, EveryAngle) {
  // The largest radius, and one that is just below a power of two, where an ulp is smallest
  // relative to it.
  for (const std::uint32_t w0 : {0u, 581'000'000u}) {
    Worst worst(6);
    std::vector<std::uint32_t> words;
    for (std::uint32_t k = 0; k < 1u << 24; ++k) {
      words.insert(words.end(), {w0, k << 8 | (k * 77 & 0xFF)});
      if (words.size() == 1 << 16) {
        AddPairs(words, worst);
        words.clear();
      }
    }
    worst.Expect(absl::StrCat("every angle, w0 = ", w0));
  }
}

TEST(NormalAccuracy, DenseRadii) {
  Worst worst(6);
  std::mt19937_64 random(20240607);
  std::vector<std::uint32_t> words;
  for (int i = 0; i < 8'000'000; ++i) {
    const std::uint64_t r = random();
    auto w0 = static_cast<std::uint32_t>(r >> 32);
    // A half uniform, a quarter near U = 0, a quarter near U = 1, on every scale.
    const int shift = static_cast<int>(r & 31);
    if (i % 4 == 1) w0 >>= shift;
    if (i % 4 == 3) w0 = ~(w0 >> shift);
    words.insert(words.end(), {w0, static_cast<std::uint32_t>(random())});
    if (words.size() == 1 << 16) {
      AddPairs(words, worst);
      words.clear();
    }
  }
  AddPairs(words, worst);
  worst.Expect("dense radii");
}

TEST(NormalAccuracy, ReachesSevenAndAHalfAndIsNeverZero) {
  float z[4];
  const std::uint32_t words[4] = {0, 0xFFFFFF00, 0xFFFFFFFF, 0x3FFFFFFF};
  BestKernels().normal_of_words(words, 4, z);
  EXPECT_GT(z[0], 7.5f);
  EXPECT_LT(z[0], 7.6f);
  for (const float value : z) EXPECT_NE(value, 0.0f);
}

// |z| with 1 - Φ(|z|) = q, by Halley's method from a value within 1e-5.
double ExactUpperQuantile(double q, double start) {
  double z = start;
  for (int i = 0; i < 2; ++i) {
    const double error = 0.5 * std::erfc(z / std::numbers::sqrt2) - q;
    const double step = error / (std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi));
    z += step / (1 - z * step / 2);
  }
  return z;
}

double UpperTail(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

// Φ(b) - Φ(a) in the C library's functions, from the side where nothing cancels.
double Probability(double a, double b) {
  if (a > 0) return UpperTail(a) - UpperTail(b);
  if (b < 0) return UpperTail(-b) - UpperTail(-a);
  return 0.5 * (std::erf(b / std::numbers::sqrt2) - std::erf(a / std::numbers::sqrt2));
}

void AddTruncated(double a, double b, const std::vector<std::uint32_t>& words, Worst& worst) {
  const TruncatedNormalParams params = MakeTruncatedNormalParams(0, 1, a, b);
  std::vector<float> z(words.size());
  BestKernels().truncated_normal_of_words(params, words.data(),
                                          static_cast<std::int64_t>(words.size()), z.data());
  const double below = UpperTail(-a), above = UpperTail(b), probability = Probability(a, b);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double u = (words[i] + 0.5) * 0x1p-32;
    const double p = below + u * probability, q = above + (1 - u) * probability;
    const double start = std::abs(static_cast<double>(z[i]));
    const double exact = p < q ? -ExactUpperQuantile(p, start) : ExactUpperQuantile(q, start);
    worst.Add(static_cast<double>(z[i]), std::clamp(exact, a, b));
    ASSERT_GE(z[i], static_cast<float>(a));
    ASSERT_LE(z[i], static_cast<float>(b));
  }
}

// Dense u: uniform, near both ends and near the median on every scale.
std::vector<std::uint32_t> DenseWords(double a, double b, int count, std::uint64_t seed) {
  const std::uint32_t median = MakeTruncatedNormalParams(0, 1, a, b).last_lower;
  std::mt19937_64 random(seed);
  std::vector<std::uint32_t> words = {0, 1, 0xFFFFFFFE, 0xFFFFFFFF, median, median + 1};
  for (int i = 0; i < count; ++i) {
    const std::uint64_t r = random();
    const auto w = static_cast<std::uint32_t>(r >> 32);
    const int shift = static_cast<int>(r & 31);
    const std::uint32_t choices[] = {
        w, w, w >> shift, ~(w >> shift), median + (w >> shift), median - (w >> shift)};
    words.push_back(choices[i % 6]);
  }
  return words;
}

TEST(TruncatedNormalAccuracy, NamedBounds) {
  const std::pair<double, double> bounds[] = {{-2, 2},         {-kInfinity, kInfinity},
                                              {-100, 100},     {-3, 3},
                                              {-1, 1},         {0, kInfinity},
                                              {-kInfinity, 0}, {7.9, kInfinity},
                                              {8, kInfinity},  {-kInfinity, -8},
                                              {-8, -7},        {3, 5},
                                              {0.001, 0.002},  {-1e-5, 2e-5},
                                              {1, 1.00001},    {-kInfinity, 1},
                                              {-kInfinity, 3}, {-0.6745, kInfinity},
                                              {-2.05, 1.5},    {2, 2.05},
                                              {-0.3, 0.9},     {-1.5, 7},
                                              {0.2, 0.3},      {8, 8},
                                              {-8, -8},        {0, 0},
                                              {7, 7.0000001},  {-1e-300, 1e-300}};
  for (const auto& [a, b] : bounds) {
    Worst worst(8);
    AddTruncated(a, b, DenseWords(a, b, 300'000, 7), worst);
    worst.Expect(absl::StrCat("[", a, ", ", b, "]"));
  }
}

TEST(TruncatedNormalAccuracy, RandomBounds) {
  std::mt19937_64 random(99);
  std::uniform_real_distribution<double> anywhere(-8, 8), exponent(-20, 4);
  Worst worst(8);
  for (int i = 0; i < 2000; ++i) {
    double a = anywhere(random), b = a + std::exp2(exponent(random));
    if (i % 2 == 0) std::tie(a, b) = std::pair(-b, -a);
    if (a > 8 || b < -8) continue;
    AddTruncated(a, b, DenseWords(a, b, 2000, static_cast<std::uint64_t>(i)), worst);
  }
  worst.Expect("random bounds");
}

TEST(TruncatedNormalAccuracy, FarBoundsAreAPlainNormal) {
  const TruncatedNormalParams params = MakeTruncatedNormalParams(0, 1, -100, 100);
  const std::uint32_t words[] = {0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000};
  float z[4];
  BestKernels().truncated_normal_of_words(params, words, 4, z);
  EXPECT_NEAR(z[0], -6.34, 0.01);
  EXPECT_EQ(z[1], -z[0]);
  EXPECT_EQ(z[3], -z[2]);
}

TEST(TruncatedNormalAccuracy, NoSpreadGivesTheMean) {
  const TruncatedNormalParams params =
      MakeTruncatedNormalParams(0.25, 0, -kInfinity, kInfinity, -1, 1);
  float x[100];
  BestKernels().truncated_normal({1, 2}, params, 0, 100, DType::kFloat32,
                                 reinterpret_cast<std::byte*>(x));
  for (const float value : x) EXPECT_EQ(value, 0.25f);
}

TEST(UniformAccuracy, IsTheRoundedMapOfAnExactT) {
  const UniformParams params = MakeUniformParams(-0.37, 0.11);
  std::vector<std::uint32_t> words(10'000);
  std::vector<float> x(words.size());
  BestKernels().words({3, 4}, kValuePlane, 0, words);
  BestKernels().uniform({3, 4}, params, 0, 10'000, DType::kFloat32,
                        reinterpret_cast<std::byte*>(x.data()));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const double t = (static_cast<double>(words[i] >> 8) - 0x1p23 + 0.5) * 0x1p-23;
    // A binary64 product and sum of binary32 numbers, rounded in between as the contract says.
    const auto product = static_cast<float>(static_cast<double>(params.half_f32) * t);
    const auto sum =
        static_cast<float>(static_cast<double>(params.mid_f32) + static_cast<double>(product));
    EXPECT_EQ(x[i], std::clamp(sum, params.low_f32, params.high_f32));
  }
}

}  // namespace
}  // namespace weightinit::kernels
