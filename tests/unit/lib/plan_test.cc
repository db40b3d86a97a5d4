// Specs resolved to numbers, and the fingerprint of the result.
#include "weightinit/plan.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <random>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::FailsWith;
using test::IsInvalid;
using test::MustResolve;
using test::Spec;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The numbers of a tensor of this shape, as {name, value}.
std::vector<std::pair<std::string, double>> NumbersOf(const Initializer& init, const Shape& shape,
                                                      std::optional<double> scale = std::nullopt,
                                                      DType dtype = DType::kFloat32) {
  TensorSpec spec = Spec("w", shape, init, dtype);
  spec.scale = scale;
  const ModelPlan plan = MustResolve(spec);
  return plan.draws.empty() ? std::vector<std::pair<std::string, double>>{}
                            : Numbers(plan.draws[0].distribution);
}

using P = std::pair<std::string, double>;

TEST(PlanTest, NumbersOfEveryMethod) {
  EXPECT_THAT(NumbersOf(Zeros{}, {2}), ElementsAre(P("value", 0)));
  EXPECT_THAT(NumbersOf(Ones{}, {2}), ElementsAre(P("value", 1)));
  EXPECT_THAT(NumbersOf(Constant{0.1}, {2}), ElementsAre(P("value", 0.1)));
  EXPECT_THAT(NumbersOf(Eye{2.5}, {2, 3}), ElementsAre(P("gain", 2.5)));
  EXPECT_THAT(NumbersOf(Dirac{2}, {4, 2, 3}), ElementsAre(P("groups", 2)));
  EXPECT_THAT(NumbersOf(Uniform{-1, 3}, {2}), ElementsAre(P("low", -1), P("high", 3)));
  EXPECT_THAT(NumbersOf(Normal{1, 2}, {2}), ElementsAre(P("mean", 1), P("std", 2)));
  EXPECT_THAT(NumbersOf(Orthogonal{0.5}, {4, 2, 3}),
              ElementsAre(P("gain", 0.5), P("rows", 4), P("cols", 6)));
  EXPECT_THAT(NumbersOf(DeltaOrthogonal{0.5}, {4, 2, 3}),
              ElementsAre(P("gain", 0.5), P("out", 4), P("in", 2)));
  EXPECT_THAT(NumbersOf(Sparse{.sparsity = 0.1}, {101, 7}),
              ElementsAre(P("std", 0.01), P("rows", 101), P("cols", 7), P("zeros_per_column", 11)));
  const double std = std::sqrt(2.0 / (3 + 5));
  EXPECT_THAT(NumbersOf(XavierNormal{}, {3, 5}), ElementsAre(P("mean", 0), P("std", std)));
  EXPECT_THAT(
      NumbersOf(XavierUniform{.gain = 2.0}, {3, 5}),
      ElementsAre(P("low", -std::sqrt(3.0) * (2 * std)), P("high", std::sqrt(3.0) * (2 * std))));
  EXPECT_THAT(NumbersOf(KaimingNormal{.mode = FanMode::kFanOut}, {3, 5}),
              ElementsAre(P("mean", 0), P("std", std::sqrt(2.0) / std::sqrt(3.0))));
  EXPECT_THAT(
      NumbersOf(LecunUniform{}, {3, 5}),
      ElementsAre(P("low", -std::sqrt(3.0 * (1.0 / 5))), P("high", std::sqrt(3.0 * (1.0 / 5)))));
  EXPECT_THAT(NumbersOf(VarianceScaling{.scale = 2,
                                        .mode = FanMode::kFanGeoAvg,
                                        .distribution = VarianceScalingDistribution::kNormal},
                        {3, 5}),
              ElementsAre(P("mean", 0), P("std", std::sqrt(2.0 / std::sqrt(15.0)))));
}

TEST(PlanTest, XavierTakesItsGainFromANonlinearityWithTorchsDefaultSlope) {
  const ModelPlan plan =
      MustResolve(Spec("w", {3, 5}, XavierNormal{.nonlinearity = Nonlinearity::kLeakyRelu}));
  EXPECT_EQ(plan.tensors[0].gain, 1.4141428569978354);
  EXPECT_EQ(plan.tensors[0].fans, (Fans{5, 3}));
}

TEST(PlanTest, KaimingWithoutASlopeIsRelu) {
  EXPECT_EQ(MustResolve(Spec("w", {3, 5}, KaimingNormal{})).tensors[0].gain, std::sqrt(2.0));
}

// The exact std of N(0, 1) cut at ±2: 0.87962566103423975.
TEST(PlanTest, CorrectedTruncationsDivideByTheExactConstant) {
  const auto lecun = NumbersOf(LecunNormal{}, {7, 25});
  ASSERT_EQ(lecun[1].first, "std");
  EXPECT_NEAR(lecun[1].second * 0.87962566103423975, 0.2, 0.2 * 0x1p-45);
  const auto corrected =
      NumbersOf(TruncatedNormal{.std = 0.02, .low = -3, .high = 3, .correct_variance = true}, {7});
  EXPECT_NEAR(corrected[1].second * 0.98657839255810862, 0.02, 0.02 * 0x1p-45);
}

TEST(PlanTest, AbsoluteBoundsAreCorrectedUntilTheResultHasTheAskedStd) {
  const ModelPlan plan = MustResolve(Spec("w", {7},
                                          TruncatedNormal{.mean = 0.3,
                                                          .std = 0.4,
                                                          .low = -1,
                                                          .high = 1,
                                                          .bounds = TruncationBounds::kAbsolute,
                                                          .correct_variance = true}));
  EXPECT_NEAR(plan.tensors[0].expected.std, 0.4, 1e-12);
}

TEST(PlanTest, ScaleMultipliesWhatTheMethodSpreads) {
  EXPECT_THAT(NumbersOf(Constant{2}, {2}, 0.5), ElementsAre(P("value", 1)));
  EXPECT_THAT(NumbersOf(Uniform{-1, 3}, {2}, 2), ElementsAre(P("low", -2), P("high", 6)));
  EXPECT_THAT(NumbersOf(Normal{1, 2}, {2}, 2), ElementsAre(P("mean", 1), P("std", 4)));
  EXPECT_THAT(NumbersOf(Orthogonal{3}, {2, 2}, 2), Contains(P("gain", 6)));
  EXPECT_THAT(NumbersOf(Sparse{.sparsity = 0.5, .std = 3}, {2, 2}, 2), Contains(P("std", 6)));
  EXPECT_THAT(NumbersOf(Normal{1, 2}, {2}, 0), ElementsAre(P("mean", 1), P("std", 0)));
}

TEST(PlanTest, SigmaBoundsFollowTheScaleAndAbsoluteOnesStay) {
  const auto sigma = NumbersOf(TruncatedNormal{.std = 2, .low = -1, .high = 3}, {2}, 0.5);
  EXPECT_THAT(
      sigma,
      ElementsAre(P("mean", 0), P("std", 1), P("low_sigma", -1), P("high_sigma", 3),
                  testing::Pair("below_low", testing::DoubleNear(0.15865525393145705, 1e-15)),
                  testing::Pair("above_high", testing::DoubleNear(0.0013498980316300945, 1e-15)),
                  testing::Pair("between", testing::DoubleNear(0.8399948480369129, 1e-15))));
  const auto absolute = NumbersOf(
      TruncatedNormal{.std = 2, .low = -1, .high = 3, .bounds = TruncationBounds::kAbsolute}, {2},
      0.5);
  EXPECT_THAT(absolute, testing::IsSupersetOf({P("low_sigma", -1), P("high_sigma", 3),
                                               P("clamp_low", -1), P("clamp_high", 3)}));
}

TEST(PlanTest, MethodsWithoutANumberToScaleRefuseOne) {
  for (const auto& [init, shape] : {std::pair<Initializer, Shape>{Zeros{}, {2}},
                                    {Ones{}, {2}},
                                    {Eye{}, {2, 2}},
                                    {Dirac{}, {2, 2, 2}}}) {
    TensorSpec spec = Spec("w", shape, init);
    spec.scale = 1;
    EXPECT_THAT(ResolveTensor(spec, 0), IsInvalid("tensor.scale", "takes no scale"));
  }
}

TEST(PlanTest, AScaleThatOverflowsIsRefusedLikeTheNumberItself) {
  for (const Initializer& init :
       {Initializer(Constant{2e38}), Initializer(Uniform{-2e38, 2e38}),
        Initializer(Normal{0, 2e37}), Initializer(TruncatedNormal{.std = 2e37}),
        Initializer(Orthogonal{2e38}), Initializer(DeltaOrthogonal{2e38}),
        Initializer(Sparse{.sparsity = 0.5, .std = 2e37})}) {
    const bool kernel = std::holds_alternative<DeltaOrthogonal>(init);
    TensorSpec spec = Spec("w", kernel ? Shape{2, 2, 3} : Shape{2, 2}, init);
    EXPECT_OK(ResolveTensor(spec, 0)) << ToString(init);
    spec.scale = 1e10;
    EXPECT_EQ(ResolveTensor(spec, 0).status().code(), absl::StatusCode::kInvalidArgument)
        << ToString(init);
  }
}

TEST(PlanTest, AZeroParameterIsPlusZero) {
  for (const Initializer& init :
       {Initializer(Uniform{-0.0, -0.0}), Initializer(Normal{-0.0, -0.0}),
        Initializer(TruncatedNormal{.mean = -0.0, .low = -0.0, .high = 2})}) {
    for (const auto& [name, value] : NumbersOf(init, {2, 2}))
      EXPECT_FALSE(value == 0 && std::signbit(value)) << ToString(init) << " " << name;
  }
  EXPECT_TRUE(std::signbit(NumbersOf(Constant{-0.0}, {2})[0].second));
}

TEST(PlanTest, AnEmptyTensorHasAPlanANoteAndNoBytes) {
  for (const Initializer& init :
       {Initializer(KaimingUniform{}), Initializer(Orthogonal{}), Initializer(Dirac{}),
        Initializer(Sparse{.sparsity = 0.5}), Initializer(Eye{}), Initializer(LecunNormal{})}) {
    for (const Shape& shape : {Shape{0}, Shape{0, 0}, Shape{3, 0}, Shape{0, 2, 3}}) {
      const ModelPlan plan = MustResolve(Spec("w", shape, init));
      ASSERT_EQ(plan.tensors.size(), 1u);
      EXPECT_EQ(plan.tensors[0].num_bytes, 0);
      EXPECT_THAT(plan.tensors[0].notes, ElementsAre(HasSubstr("has a 0")));
    }
  }
}

TEST(PlanTest, ParametersOfEmptyTensorsAreCheckedAllTheSame) {
  EXPECT_THAT(ResolveTensor(Spec("w", {0}, Normal{0, -1}), 0), IsInvalid("tensor.init.normal.std"));
}

TEST(PlanTest, ExpectationsAreThoseOfTheDistribution) {
  const auto expected = [](const Initializer& init, const Shape& shape) {
    return MustResolve(Spec("w", shape, init)).tensors[0].expected;
  };
  EXPECT_DOUBLE_EQ(expected(Uniform{-1, 3}, {4}).mean, 1);
  EXPECT_DOUBLE_EQ(expected(Uniform{-1, 3}, {4}).std, 4 / std::sqrt(12.0));
  EXPECT_EQ(expected(Uniform{-1, 3}, {4}).max, 3);
  EXPECT_EQ(expected(Normal{1, 2}, {4}).std, 2);
  EXPECT_EQ(expected(Normal{1, 2}, {4}).min, -kInfinity);
  EXPECT_NEAR(expected(TruncatedNormal{}, {4}).std, 0.87962566103423975, 1e-12);
  EXPECT_NEAR(expected(LecunNormal{}, {4, 25}).std, 0.2, 1e-12);
  EXPECT_DOUBLE_EQ(expected(Eye{2}, {3, 5}).mean, 0.4);
  EXPECT_DOUBLE_EQ(expected(Dirac{2}, {4, 8, 3}).mean, 4.0 / 96);
  EXPECT_DOUBLE_EQ(expected(Orthogonal{2}, {4, 25}).std, 0.4);
  EXPECT_DOUBLE_EQ(expected(Sparse{.sparsity = 0.75, .std = 2}, {100, 3}).std, 1);
}

// Warnings.
// ----------------------------------------------------------------------------

std::vector<std::string> WarningsOf(const TensorSpec& spec) {
  return MustResolve(spec).tensors[0].warnings;
}

TEST(PlanWarningsTest, ATruncationFurtherThan6SigmaIsNone) {
  const TruncatedNormal torch{.std = 0.02, .bounds = TruncationBounds::kAbsolute};
  EXPECT_THAT(WarningsOf(Spec("w", {2}, torch)), Contains(HasSubstr("is not truncated")));
  EXPECT_THAT(WarningsOf(Spec("w", {2}, TruncatedNormal{.std = 0.02})), IsEmpty());
  EXPECT_THAT(WarningsOf(Spec("w", {2}, TruncatedNormal{.low = -kInfinity, .high = 2})), IsEmpty());
}

TEST(PlanWarningsTest, AStdBelowTheDTypesSmallestNumberUnderflows) {
  EXPECT_THAT(WarningsOf(Spec("w", {2}, Normal{0, 1e-9}, DType::kFloat16)),
              Contains(HasSubstr("underflows FLOAT16")));
  EXPECT_THAT(WarningsOf(Spec("w", {2}, Normal{0, 1e-9})), IsEmpty());
}

TEST(PlanWarningsTest, ValuesBeyondTheDTypeOverflowOrSaturate) {
  EXPECT_THAT(WarningsOf(Spec("w", {2}, Normal{0, 1e4}, DType::kFloat16)),
              Contains(HasSubstr("overflows to infinity beyond 65504")));
  EXPECT_THAT(WarningsOf(Spec("w", {2}, Uniform{0, 500}, DType::kFloat8E4M3FN)),
              Contains(HasSubstr("saturates at 448")));
  EXPECT_THAT(WarningsOf(Spec("w", {2}, Uniform{0, 448}, DType::kFloat8E4M3FN)), IsEmpty());
}

TEST(PlanWarningsTest, FansOfGroupedAndTransposedConvolutionsWithNothingSaid) {
  TensorSpec depthwise = Spec("w", {32, 1, 3, 3}, KaimingUniform{.mode = FanMode::kFanOut});
  depthwise.module = "Conv2d";
  EXPECT_THAT(WarningsOf(depthwise), Contains(HasSubstr("fan.groups")));
  depthwise.fan = FanGeometry{.groups = 32};
  EXPECT_THAT(WarningsOf(depthwise), IsEmpty());
  depthwise.fan.reset();
  depthwise.init = KaimingUniform{};  // fan_in is right
  EXPECT_THAT(WarningsOf(depthwise), IsEmpty());
  TensorSpec transposed = Spec("w", {16, 8, 3, 3}, KaimingUniform{});
  transposed.module = "ConvTranspose2d";
  EXPECT_THAT(WarningsOf(transposed), Contains(HasSubstr("fan.transposed")));
  transposed.fan = FanGeometry{.transposed = true};
  EXPECT_THAT(WarningsOf(transposed), IsEmpty());
}

// Bounds that only cost time must not: a plan is cheap whatever it is asked.
TEST(PlanTest, FarBoundsCostNoMoreThanNearOnes) {
  const auto start = std::chrono::steady_clock::now();
  for (const double far : {1e3, 1e6, 1e9, 1e200, kInfinity}) {
    for (const TruncationBounds bounds : {TruncationBounds::kSigma, TruncationBounds::kAbsolute}) {
      const TruncatedNormal above{
          .low = far, .high = far * 2, .bounds = bounds, .correct_variance = true};
      const TruncatedNormal below{
          .low = -far * 2, .high = -far, .bounds = bounds, .correct_variance = true};
      EXPECT_EQ(ResolveTensor(Spec("w", {2}, above), 0).status().code(),
                absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(ResolveTensor(Spec("w", {2}, below), 0).status().code(),
                absl::StatusCode::kInvalidArgument);
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

// Where words start.
// ----------------------------------------------------------------------------

TEST(SubsequenceTest, IsThatOfTheDocument) {
  EXPECT_EQ(SubsequenceOf("fc1.weight"), 0xf3b4a76504bd528cu);
  EXPECT_EQ(SubsequenceOf(""), 0x6574f204042808bdu);
  EXPECT_NE(SubsequenceOf(std::string("a\0", 2)), SubsequenceOf("a"));
}

TEST(SubsequenceTest, ComesFromTheDrawNameElseTheCanonicalName) {
  TensorSpec spec = Spec("module.fc1.weight", {2}, Normal{});
  EXPECT_EQ(MustResolve(spec).draws[0].subsequence, SubsequenceOf("fc1.weight"));
  spec.draw_name = "old.weight";
  EXPECT_EQ(MustResolve(spec).draws[0].subsequence, SubsequenceOf("old.weight"));
  spec.draw_name = "";
  EXPECT_EQ(MustResolve(spec).draws[0].subsequence, SubsequenceOf(""));
  spec.draw_name.reset();
  spec.subsequence = 42;
  EXPECT_EQ(MustResolve(spec).draws[0].subsequence, 42u);
  spec.draw_name = "both";
  EXPECT_THAT(ResolveTensor(spec, 0), IsInvalid("tensor.subsequence", "one of the two"));
}

TEST(SubsequenceTest, NamesMustBeUtf8) {
  EXPECT_THAT(ResolveTensor(Spec("\xc0\xaf", {2}, Normal{}), 0), IsInvalid("tensor.name", "UTF-8"));
  TensorSpec spec = Spec("w", {2}, Normal{});
  spec.draw_name = "\xed\xa0\x80";  // a surrogate
  EXPECT_THAT(ResolveTensor(spec, 0), IsInvalid("tensor.draw_name", "UTF-8"));
}

Recipe TwoOf(TensorSpec a, TensorSpec b) {
  Recipe recipe;
  recipe.tensors = {std::move(a), std::move(b)};
  return recipe;
}

TEST(SubsequenceTest, TwoRandomDrawsOfTheSameWordsAreRefused) {
  TensorSpec a = Spec("a", {2}, Normal{}), b = Spec("b", {3}, Uniform{});
  b.draw_name = "a";
  EXPECT_THAT(Resolve(TwoOf(a, b)), IsInvalid("tensors[1].draw_name", "the same random words"));
  b.draw_name.reset();
  b.subsequence = SubsequenceOf("a");
  EXPECT_THAT(Resolve(TwoOf(a, b)), IsInvalid("tensors[1].subsequence", "tensors[0]"));
  b.seed = 9;
  EXPECT_OK(Resolve(TwoOf(a, b)));
  b.seed.reset();
  b.init = Zeros{};
  EXPECT_OK(Resolve(TwoOf(a, b)));
  a.shape = {0};
  b.init = Normal{};
  EXPECT_OK(Resolve(TwoOf(a, b)));
}

TEST(PlanTest, AModelOf2To63BytesIsRefused) {
  EXPECT_THAT(Resolve(TwoOf(Spec("a", {std::int64_t{1} << 62}, Zeros{}, DType::kUInt8),
                            Spec("b", {std::int64_t{1} << 62}, Zeros{}, DType::kUInt8))),
              IsInvalid("tensors[1].shape", "the model has 2^63 bytes"));
}

// The fingerprint.
// ----------------------------------------------------------------------------

Recipe SomeModel() {
  Recipe recipe;
  recipe.seed = 7;
  recipe.tensors = {Spec("a", {4, 8}, Normal{}), Spec("b", {4}, Zeros{}),
                    Spec("c", {4, 4, 3}, Dirac{}), Spec("d", {4, 8}, TruncatedNormal{})};
  return recipe;
}

TEST(FingerprintTest, DoesNotDependOnTheOrderOfTensors) {
  Recipe recipe = SomeModel();
  const Fingerprint fingerprint = MustResolve(recipe).fingerprint;
  std::mt19937 rng(1);
  for (int i = 0; i < 10; ++i) {
    std::shuffle(recipe.tensors.begin(), recipe.tensors.end(), rng);
    EXPECT_EQ(MustResolve(recipe).fingerprint, fingerprint);
  }
}

TEST(FingerprintTest, DependsOnWhatIsDrawnNotOnHowItWasSaid) {
  const Fingerprint fingerprint = MustResolve(SomeModel()).fingerprint;
  Recipe recipe = SomeModel();
  recipe.tensors[0].name = "module._orig_mod.a";
  recipe.tensors[0].module = "Linear";
  recipe.tensors[0].buffer = true;
  recipe.tensors[0].seed = 7;
  recipe.tensors[0].draw_name = "a";
  recipe.tensors[1].init = Constant{0};
  recipe.tensors[1].seed = 1234;  // nothing random: words do not enter
  recipe.tensors[3].init = TruncatedNormal{.low = -4, .high = 4};
  recipe.tensors[3].init = TruncatedNormal{.std = 0.5};
  recipe.tensors[3].scale = 2;
  EXPECT_EQ(MustResolve(recipe).fingerprint, fingerprint);
}

TEST(FingerprintTest, ChangesWithEachIngredient) {
  const auto changes = [](const std::function<void(Recipe&)>& change) {
    Recipe recipe = SomeModel();
    change(recipe);
    return MustResolve(recipe).fingerprint != MustResolve(SomeModel()).fingerprint;
  };
  EXPECT_FALSE(changes([](Recipe&) {}));
  EXPECT_TRUE(changes([](Recipe& r) { r.seed = 8; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].seed = 8; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].subsequence = 8; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].draw_name = "x"; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[1].name = "x"; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].shape = {8, 4}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].shape = {32}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].dtype = DType::kBFloat16; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].init = Normal{0, std::nextafter(1.0, 2)}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].init = Normal{1e-300, 1}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[0].init = Uniform{0, 1}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[1].init = Constant{-0.0}; }));
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors[2].init = Dirac{2}; }));
  EXPECT_TRUE(changes([](Recipe& r) {
    r.tensors[3].init = TruncatedNormal{.bounds = TruncationBounds::kAbsolute};
  })) << "the clamp is part of the numbers";
  EXPECT_TRUE(changes([](Recipe& r) { r.tensors.pop_back(); }));
}

TEST(FingerprintTest, NamesCannotImitateOtherLines) {
  Recipe honest = SomeModel(), sly = SomeModel();
  const std::string text = CanonicalText(MustResolve(honest));
  EXPECT_EQ(text.substr(0, 19), "weightinit-plan-v1\n");
  // A tensor whose name holds what would be written of another one.
  sly.tensors = {Spec("a\n  shape 4 8", {2}, Zeros{})};
  honest.tensors = {Spec("a", {4, 8}, Zeros{})};
  EXPECT_NE(MustResolve(sly).fingerprint, MustResolve(honest).fingerprint);
  EXPECT_THAT(CanonicalText(MustResolve(sly)), HasSubstr("tensor 13 a\n  shape 4 8\n  shape 2"));
}

TEST(FingerprintTest, NumbersStandInHexadecimal) {
  EXPECT_THAT(CanonicalText(MustResolve(Spec("w", {2}, Normal{0, 0.02}))),
              HasSubstr("normal mean=0x0p+0 std=0x1.47ae147ae147bp-6"));
}

}  // namespace
}  // namespace weightinit
