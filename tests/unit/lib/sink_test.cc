// Sinks: bytes, digests, summaries, comparisons, and several at once.
#include "weightinit/sink.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::BytesOf;
using test::MustResolve;
using test::Spec;
using test::ValuesOf;
using ::testing::ElementsAre;

constexpr std::uint64_t kSeed = 0x0123456789abcdef;

template <typename T>
Piece PieceOf(const std::vector<T>& values, DType dtype, std::int64_t offset = 0,
              std::int64_t index = 0, std::int64_t stride = 1) {
  return {.offset = offset,
          .count = static_cast<std::int64_t>(values.size()),
          .index = index,
          .stride = stride,
          .dtype = dtype,
          .values = std::as_bytes(std::span(values))};
}

// Digests.
// ----------------------------------------------------------------------------

std::uint64_t DigestBy(const Engine& engine, const ModelPlan& plan,
                       const BoundSelection& selection) {
  DigestSink sink;
  EXPECT_OK(engine.Fill(plan, selection, sink));
  return sink.digest();
}

TEST(DigestTest, IsThatOfTheDocument) {
  const Engine engine({.threads = 2});
  for (const auto& [dtype, digest] :
       {std::pair{DType::kFloat32, 0x2698f5e6fb244bf8u}, {DType::kBFloat16, 0xb786b00875087053u}}) {
    const ModelPlan plan =
        MustResolve(Spec("fc1.weight", {10, 100}, Uniform{-0.37, 0.11}, dtype), kSeed);
    EXPECT_EQ(DigestBy(engine, plan, SelectAll(plan)[0]), digest) << Name(dtype);
  }
}

TEST(DigestTest, IsTheSumOfTheDocumentsFormula) {
  const std::vector<std::uint16_t> bits = {0, 1, 0xffff, 0x3f80};
  std::uint64_t expected = 0;
  for (std::uint64_t k = 0; k < bits.size(); ++k) {
    std::uint64_t z = (1000 + 7 * k) * 0x9E3779B97F4A7C15 + bits[k] + 1;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    expected += z ^ (z >> 31);
  }
  EXPECT_EQ(DigestOf(PieceOf(bits, DType::kBFloat16, 0, 1000, 7)), expected);
}

TEST(DigestTest, AddsUpOverRandomPartitionsIntoSlices) {
  const Engine engine({.threads = 2});
  std::mt19937_64 rng(11);
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat8E5M2}) {
    const std::int64_t rows = 37, cols = 23, depth = 5;
    const ModelPlan plan = MustResolve(Spec("w", {rows, cols, depth}, Normal{}, dtype), kSeed);
    const std::uint64_t whole = DigestBy(engine, plan, SelectAll(plan)[0]);
    for (int round = 0; round < 20; ++round) {
      // Rows cut at one place, columns of the upper part cut at another, the rest by steps.
      const auto row = static_cast<std::int64_t>(rng() % (rows + 1));
      const auto col = static_cast<std::int64_t>(rng() % (cols + 1));
      const auto step = static_cast<std::int64_t>(1 + rng() % 5);
      std::vector<Box> boxes = {
          Box{{{0, row, {}}, {0, col, {}}, {}}},
          Box{{{0, row, {}}, {col, cols - col, {}}, {}}},
      };
      for (std::int64_t k = 0; k < step; ++k)
        boxes.push_back(Box{{{row, {}, {}}, {std::min(k, cols), {}, step}, {}}});
      std::uint64_t sum = 0;
      for (const Box& box : boxes) {
        auto bound = Bind(plan, {.name = "w", .slice = box}, "selection");
        ASSERT_OK(bound);
        sum += DigestBy(engine, plan, *bound);
      }
      EXPECT_EQ(sum, whole) << "round " << round << ", row " << row << ", col " << col << ", step "
                            << step;
    }
  }
}

TEST(DigestTest, AModelsDigestWeighsItsTensors) {
  EXPECT_EQ(DigestWeight("fc1.weight", DType::kFloat32, Shape{10, 100}), 0x623d069cb8fe30b3u);
  const std::uint64_t weight = DigestWeight("a", DType::kFloat32, Shape{2, 3});
  EXPECT_EQ(weight & 1, 1u);
  EXPECT_NE(weight, DigestWeight("b", DType::kFloat32, Shape{2, 3}));
  EXPECT_NE(weight, DigestWeight("a", DType::kBFloat16, Shape{2, 3}));
  EXPECT_NE(weight, DigestWeight("a", DType::kFloat32, Shape{3, 2}));
  EXPECT_NE(weight, DigestWeight("a", DType::kFloat32, Shape{2, 3, 1}));
  // M is a sum: ranks that hold different tensors, or halves of one, add up to the whole.
  Recipe recipe;
  recipe.tensors = {Spec("a", {6, 4}, Normal{}), Spec("b", {5}, Uniform{})};
  const ModelPlan plan = MustResolve(recipe);
  const Engine engine({.threads = 1});
  const auto all = SelectAll(plan);
  const auto c = [&](int t) {
    const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(t)];
    return DigestWeight(tensor.name, tensor.dtype, tensor.shape);
  };
  const std::uint64_t model =
      c(0) * DigestBy(engine, plan, all[0]) + c(1) * DigestBy(engine, plan, all[1]);
  const std::uint64_t rank0 = c(0) * DigestBy(engine, plan, Part(all[0], 0, 7));
  const std::uint64_t rank1 =
      c(0) * DigestBy(engine, plan, Part(all[0], 7, 17)) + c(1) * DigestBy(engine, plan, all[1]);
  EXPECT_EQ(rank0 + rank1, model);
}

// Summaries.
// ----------------------------------------------------------------------------

struct Direct {
  long double mean = 0, std = 0, skewness = 0, kurtosis = 0;
};
Direct DirectMoments(const std::vector<double>& values) {
  const auto n = static_cast<long double>(values.size());
  Direct d;
  for (const double x : values) d.mean += x;
  d.mean /= n;
  long double m2 = 0, m3 = 0, m4 = 0;
  for (const double x : values) {
    const long double e = x - d.mean;
    m2 += e * e, m3 += e * e * e, m4 += e * e * e * e;
  }
  d.std = std::sqrt(m2 / n);
  d.skewness = m3 / n / (d.std * d.std * d.std);
  d.kurtosis = m4 / n / (d.std * d.std * d.std * d.std) - 3;
  return d;
}

Summary SummaryOf(const Engine& engine, const ModelPlan& plan, const BoundSelection& selection,
                  double low, double high, int bins) {
  SummarySink sink(low, high, bins);
  EXPECT_OK(engine.Fill(plan, selection, sink));
  return sink.Result();
}

TEST(SummaryTest, AgreesWithDirectComputationInLongDouble) {
  const Engine engine({.threads = 2});
  for (const Initializer& init : {Initializer(Normal{3, 0.5}), Initializer(Uniform{-1, 2}),
                                  Initializer(TruncatedNormal{.low = -0.5, .high = 3})}) {
    const ModelPlan plan = MustResolve(Spec("w", {301, 1009}, init, DType::kFloat64), kSeed);
    const BoundSelection all = SelectAll(plan)[0];
    const auto values = ValuesOf<double>(BytesOf(engine, plan, all));
    const Direct direct = DirectMoments(values);
    const Summary s = SummaryOf(engine, plan, all, -1, 4, 50);
    EXPECT_EQ(s.count, 301 * 1009);
    EXPECT_EQ(s.nan_count + s.inf_count, 0);
    EXPECT_NEAR(s.mean, static_cast<double>(direct.mean), 1e-13);
    EXPECT_NEAR(s.std, static_cast<double>(direct.std), 1e-13);
    EXPECT_NEAR(s.skewness, static_cast<double>(direct.skewness), 1e-11);
    EXPECT_NEAR(s.excess_kurtosis, static_cast<double>(direct.kurtosis), 1e-10);
    EXPECT_EQ(s.min, *std::min_element(values.begin(), values.end()));
    EXPECT_EQ(s.max, *std::max_element(values.begin(), values.end()));
    EXPECT_EQ(s.min_index, std::min_element(values.begin(), values.end()) - values.begin());
    EXPECT_EQ(s.max_index, std::max_element(values.begin(), values.end()) - values.begin());
    EXPECT_EQ(s.first, std::vector<double>(values.begin(), values.begin() + 8));
    std::vector<std::int64_t> histogram(50, 0);
    for (const double x : values) {
      const auto bin = static_cast<int>(std::floor((x + 1) / 5 * 50));
      ++histogram[static_cast<std::size_t>(std::clamp(bin, 0, 49))];
    }
    EXPECT_EQ(s.histogram, histogram);
  }
}

TEST(SummaryTest, DoesNotDependOnTheNumberOfThreads) {
  const ModelPlan plan = MustResolve(Spec("w", {1009, 301}, Normal{3, 0.5}), kSeed);
  const BoundSelection all = SelectAll(plan)[0];
  const Summary one = SummaryOf(Engine({.threads = 1}), plan, all, 0, 6, 10);
  for (const int threads : {2, 3, 4}) {
    const Engine engine({.threads = threads});
    for (int repeat = 0; repeat < 5; ++repeat) {
      const Summary s = SummaryOf(engine, plan, all, 0, 6, 10);
      EXPECT_EQ(s.mean, one.mean);
      EXPECT_EQ(s.std, one.std);
      EXPECT_EQ(s.skewness, one.skewness);
      EXPECT_EQ(s.excess_kurtosis, one.excess_kurtosis);
      EXPECT_EQ(s.min_index, one.min_index);
      EXPECT_EQ(s.max_index, one.max_index);
      EXPECT_EQ(s.histogram, one.histogram);
      EXPECT_EQ(s.first, one.first);
    }
  }
}

TEST(SummaryTest, PiecesMayComeInAnyOrder) {
  std::mt19937 rng(5);
  std::vector<double> values(1000);
  for (double& x : values) x = static_cast<double>(rng() % 7);  // many equal extremes
  const auto in_order = [&](const std::vector<int>& order) {
    SummarySink sink(0, 7, 7);
    for (const int k : order) {
      const std::vector<double> part(values.begin() + k * 100, values.begin() + (k + 1) * 100);
      sink.Take(PieceOf(part, DType::kFloat64, k * 100, k * 100));
    }
    return sink.Result();
  };
  std::vector<int> order(10);
  std::iota(order.begin(), order.end(), 0);
  const Summary forward = in_order(order);
  EXPECT_EQ(forward.min_index, std::find(values.begin(), values.end(), 0) - values.begin());
  EXPECT_EQ(forward.max_index, std::find(values.begin(), values.end(), 6) - values.begin());
  for (int round = 0; round < 20; ++round) {
    std::shuffle(order.begin(), order.end(), rng);
    const Summary s = in_order(order);
    EXPECT_EQ(s.mean, forward.mean);
    EXPECT_EQ(s.std, forward.std);
    EXPECT_EQ(s.min_index, forward.min_index);
    EXPECT_EQ(s.max_index, forward.max_index);
    EXPECT_EQ(s.first, forward.first);
  }
}

TEST(SummaryTest, NaNsAndInfinitiesAreCountedAndLeftOut) {
  const double nan = std::nan(""), inf = HUGE_VAL;
  const std::vector<double> values = {nan, 1, inf, 3, -inf, nan};
  SummarySink sink(0, 4, 4);
  sink.Take(PieceOf(values, DType::kFloat64, 0, 100, 10));
  const Summary s = sink.Result();
  EXPECT_EQ(s.count, 6);
  EXPECT_EQ(s.nan_count, 2);
  EXPECT_EQ(s.inf_count, 2);
  EXPECT_EQ(s.mean, 2);
  EXPECT_EQ(s.std, 1);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.min_index, 110);
  EXPECT_EQ(s.max, 3);
  EXPECT_EQ(s.max_index, 130);
  EXPECT_THAT(s.histogram, ElementsAre(0, 1, 0, 1));
  ASSERT_EQ(s.first.size(), 6u);
  EXPECT_TRUE(std::isnan(s.first[0]));
  EXPECT_EQ(s.first[2], inf);
}

TEST(SummaryTest, AllNaNIsNoSummary) {
  const std::vector<float> values(3, std::nanf(""));
  SummarySink sink(0, 1, 2);
  sink.Take(PieceOf(values, DType::kFloat32));
  EXPECT_EQ(sink.Result().nan_count, 3);
  EXPECT_EQ(sink.Result().mean, 0);
  EXPECT_THAT(sink.Result().histogram, ElementsAre(0, 0));
}

TEST(SummaryTest, AConstantHasNoSpread) {
  const std::vector<float> values(100, 0.1f);
  SummarySink sink(0.1f, 0.1f, 3);
  sink.Take(PieceOf(values, DType::kFloat32));
  const Summary s = sink.Result();
  EXPECT_EQ(s.mean, static_cast<double>(0.1f));
  EXPECT_EQ(s.std, 0);
  EXPECT_EQ(s.skewness, 0);
  EXPECT_EQ(s.excess_kurtosis, 0);
  EXPECT_EQ(std::accumulate(s.histogram.begin(), s.histogram.end(), std::int64_t{0}), 100);
}

TEST(SummaryTest, NothingIsAValidSummary) {
  const Summary s = SummarySink(0, 1, 0).Result();
  EXPECT_EQ(s.count, 0);
  EXPECT_TRUE(s.first.empty());
  EXPECT_TRUE(s.histogram.empty());
}

TEST(SummaryTest, ReadsEveryDType) {
  const auto mean = [](DType dtype, const auto& values) {
    SummarySink sink(0, 1, 0);
    sink.Take(PieceOf(values, dtype));
    return sink.Result().mean;
  };
  EXPECT_EQ(mean(DType::kFloat32, std::vector<float>{1.5f, -0.5f}), 0.5);
  EXPECT_EQ(mean(DType::kFloat64, std::vector<double>{1.5, -0.5}), 0.5);
  EXPECT_EQ(mean(DType::kBFloat16, std::vector<std::uint16_t>{0x3fc0, 0xbf00}), 0.5);
  EXPECT_EQ(mean(DType::kFloat16, std::vector<std::uint16_t>{0x3e00, 0xb800}), 0.5);
  EXPECT_EQ(mean(DType::kFloat8E4M3FN, std::vector<std::uint8_t>{0x3c, 0xb0}), 0.5);
  EXPECT_EQ(mean(DType::kFloat8E5M2, std::vector<std::uint8_t>{0x3e, 0xb8}), 0.5);
  EXPECT_EQ(mean(DType::kInt64, std::vector<std::int64_t>{5, -4}), 0.5);
  EXPECT_EQ(mean(DType::kInt32, std::vector<std::int32_t>{5, -4}), 0.5);
  EXPECT_EQ(mean(DType::kUInt8, std::vector<std::uint8_t>{255, 1}), 128);
  EXPECT_EQ(mean(DType::kBool, std::vector<std::uint8_t>{1, 0}), 0.5);
}

TEST(SummaryTest, ReadsTheEdgesOfSmallFormats) {
  const auto values = [](DType dtype, const auto& bits) {
    SummarySink sink(0, 1, 0);
    sink.Take(PieceOf(bits, dtype));
    return sink.Result();
  };
  const Summary e4m3 =
      values(DType::kFloat8E4M3FN, std::vector<std::uint8_t>{0x7e, 0xfe, 0x01, 0x7f, 0xff});
  EXPECT_EQ(e4m3.max, 448);
  EXPECT_EQ(e4m3.min, -448);
  EXPECT_EQ(e4m3.first[2], 0x1p-9);
  EXPECT_EQ(e4m3.nan_count, 2);
  EXPECT_EQ(e4m3.inf_count, 0);
  const Summary e5m2 =
      values(DType::kFloat8E5M2, std::vector<std::uint8_t>{0x7b, 0x7c, 0x7d, 0x01});
  EXPECT_EQ(e5m2.max, 57344);
  EXPECT_EQ(e5m2.inf_count, 1);
  EXPECT_EQ(e5m2.nan_count, 1);
  EXPECT_EQ(e5m2.first[3], 0x1p-16);
  const Summary f16 = values(DType::kFloat16, std::vector<std::uint16_t>{0x7bff, 0x0001, 0xfc00});
  EXPECT_EQ(f16.max, 65504);
  EXPECT_EQ(f16.min, 0x1p-24);
  EXPECT_EQ(f16.inf_count, 1);
  const Summary bf16 = values(DType::kBFloat16, std::vector<std::uint16_t>{0x7f7f, 0x0001, 0x7f81});
  EXPECT_EQ(bf16.max, 0x1.fep127);
  EXPECT_EQ(bf16.min, 0x1p-133);
  EXPECT_EQ(bf16.nan_count, 1);
}

// Comparisons.
// ----------------------------------------------------------------------------

TEST(CompareTest, FindsEveryDifferenceAndTheFirst) {
  const Engine engine({.threads = 2});
  const ModelPlan plan = MustResolve(Spec("w", {500, 700}, Normal{}, DType::kBFloat16), kSeed);
  const BoundSelection all = SelectAll(plan)[0];
  std::vector<std::byte> bytes = BytesOf(engine, plan, all);
  const auto compare = [&] {
    CompareSink sink(bytes, DType::kBFloat16);
    EXPECT_OK(engine.Fill(plan, all, sink));
    return std::pair{sink.differing(), sink.first_difference()};
  };
  EXPECT_EQ(compare().first, 0);
  for (const std::size_t element : {349'999u, 65'536u, 1'234u}) {
    bytes[2 * element + 1] ^= std::byte{0x80};
  }
  bytes[2 * 1'234] ^= std::byte{1};  // the same element
  EXPECT_EQ(compare(), std::pair(std::int64_t{3}, std::int64_t{1'234}));
}

TEST(CompareTest, ComparesBitsNotNumbers) {
  const std::vector<float> zeros = {0.0f, -0.0f};
  const std::vector<float> expected = {-0.0f, -0.0f};
  CompareSink sink(std::as_bytes(std::span(expected)), DType::kFloat32);
  sink.Take(PieceOf(zeros, DType::kFloat32));
  EXPECT_EQ(sink.differing(), 1);
  EXPECT_EQ(sink.first_difference(), 0);
}

// Several sinks.
// ----------------------------------------------------------------------------

TEST(TeeTest, FeedsAllSinksInOnePass) {
  const Engine engine({.threads = 2});
  const ModelPlan plan = MustResolve(Spec("w", {300, 700}, Normal{}), kSeed);
  const BoundSelection all = SelectAll(plan)[0];
  std::vector<std::byte> first(static_cast<std::size_t>(all.num_bytes())), second(first.size());
  BytesSink a(first, all.dtype), b(second, all.dtype);
  DigestSink digest;
  SummarySink summary(0, 1, 0);
  TeeSink tee({&digest, &a, &b, &summary});
  ASSERT_OK(engine.Fill(plan, all, tee));
  EXPECT_EQ(first, BytesOf(engine, plan, all));
  EXPECT_EQ(second, first);
  EXPECT_EQ(digest.digest(), DigestBy(engine, plan, all));
  EXPECT_EQ(summary.Result().count, all.count);
}

TEST(TeeTest, WithoutADestinationValuesLieAnywhere) {
  DigestSink digest;
  TeeSink tee({&digest});
  EXPECT_EQ(tee.Destination(0, 10), nullptr);
  EXPECT_EQ(TeeSink({}).Destination(0, 10), nullptr);
}

}  // namespace
}  // namespace weightinit
