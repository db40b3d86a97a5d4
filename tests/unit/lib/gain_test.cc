// Gains against values integrated with 25 digits, and fans against each layer type.
#include <cmath>
#include <numbers>

#include "tests/unit/lib/testing.h"
#include "weightinit/fans.h"
#include "weightinit/initializer.h"

namespace weightinit {
namespace {

using test::IsInvalid;

TEST(GainTest, IsTorchsWhereTorchHasOne) {
  for (const Nonlinearity linear :
       {Nonlinearity::kLinear, Nonlinearity::kConv1d, Nonlinearity::kConv2d, Nonlinearity::kConv3d,
        Nonlinearity::kConvTranspose1d, Nonlinearity::kConvTranspose2d,
        Nonlinearity::kConvTranspose3d, Nonlinearity::kSigmoid, Nonlinearity::kIdentity}) {
    EXPECT_EQ(Gain(linear, 0.01), 1.0) << Name(linear);
  }
  EXPECT_EQ(Gain(Nonlinearity::kTanh, 0), 1.6666666666666667);
  EXPECT_EQ(Gain(Nonlinearity::kRelu, 0), 1.4142135623730951);
  EXPECT_EQ(Gain(Nonlinearity::kSelu, 0), 0.75);
  EXPECT_EQ(Gain(Nonlinearity::kLeakyRelu, 0), 1.4142135623730951);
  EXPECT_EQ(Gain(Nonlinearity::kLeakyRelu, 0.01), 1.4141428569978354);
  EXPECT_EQ(Gain(Nonlinearity::kLeakyRelu, 0.2), 1.3867504905630728);
  EXPECT_EQ(Gain(Nonlinearity::kLeakyRelu, std::sqrt(5.0)), 0.5773502691896257);
}

// E[f(z)²]^-½ by the trapezoidal rule, which is exact to rounding for such integrands; kinks are
// put on nodes (step 2^-10), where the error is of the order of the step squared.
double HeGain(double (*f)(double)) {
  constexpr double kStep = 0x1p-12;
  long double sum = 0;
  for (int k = -15 * 4096; k <= 15 * 4096; ++k) {
    const double z = k * kStep;
    const double y = f(z);
    sum += static_cast<long double>(y * y * std::exp(-0.5 * z * z));
  }
  const double square = static_cast<double>(sum) * kStep / std::sqrt(2 * std::numbers::pi);
  return 1 / std::sqrt(square);
}

double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }
double Softplus(double z) { return std::log1p(std::exp(z)); }

TEST(GainTest, IsTheHeGainWhereTorchHasNone) {
  struct Row {
    Nonlinearity nonlinearity;
    double (*f)(double);
  };
  const Row rows[] = {
      {Nonlinearity::kGelu, [](double z) { return z * 0.5 * std::erfc(-z / std::sqrt(2.0)); }},
      {Nonlinearity::kGeluTanh,
       [](double z) {
         return 0.5 * z *
                (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
       }},
      {Nonlinearity::kQuickGelu, [](double z) { return z * Sigmoid(1.702 * z); }},
      {Nonlinearity::kSilu, [](double z) { return z * Sigmoid(z); }},
      {Nonlinearity::kMish, [](double z) { return z * std::tanh(Softplus(z)); }},
      {Nonlinearity::kElu, [](double z) { return z >= 0 ? z : std::expm1(z); }},
      {Nonlinearity::kSoftplus, [](double z) { return Softplus(z); }},
      {Nonlinearity::kSoftsign, [](double z) { return z / (1 + std::abs(z)); }},
      {Nonlinearity::kHardswish,
       [](double z) { return z * std::min(std::max(z + 3, 0.0), 6.0) / 6; }},
      {Nonlinearity::kRelu6, [](double z) { return std::min(std::max(z, 0.0), 6.0); }},
      {Nonlinearity::kReluSquared, [](double z) { return z > 0 ? z * z : 0; }},
      {Nonlinearity::kHardtanh, [](double z) { return std::min(std::max(z, -1.0), 1.0); }},
      {Nonlinearity::kSin, [](double z) { return std::sin(z); }},
  };
  for (const Row& row : rows) {
    EXPECT_NEAR(Gain(row.nonlinearity, 0), HeGain(row.f), 2e-8) << Name(row.nonlinearity);
  }
}

TEST(GainTest, HasExactlyTheDigitsOfTheTable) {
  EXPECT_EQ(Gain(Nonlinearity::kGelu, 0), 1.5335304411955352);
  EXPECT_EQ(Gain(Nonlinearity::kGeluTanh, 0), 1.5335805216661469);
  EXPECT_EQ(Gain(Nonlinearity::kQuickGelu, 0), 1.5394587622988314);
  EXPECT_EQ(Gain(Nonlinearity::kSilu, 0), 1.6765324703310912);
  EXPECT_EQ(Gain(Nonlinearity::kMish, 0), 1.4868475812732081);
  EXPECT_EQ(Gain(Nonlinearity::kElu, 0), 1.2451983007007066);
  EXPECT_EQ(Gain(Nonlinearity::kSoftplus, 0), 1.0418668355353017);
  EXPECT_EQ(Gain(Nonlinearity::kSoftsign, 0), 2.3375333631085397);
  EXPECT_EQ(Gain(Nonlinearity::kHardswish, 0), 1.7366572127665416);
  EXPECT_EQ(Gain(Nonlinearity::kRelu6, 0), 1.4142135650950737);
  EXPECT_EQ(Gain(Nonlinearity::kReluSquared, 0), 0.81649658092772603);
  EXPECT_EQ(Gain(Nonlinearity::kHardtanh, 0), 1.3920361404483098);
  EXPECT_EQ(Gain(Nonlinearity::kSin, 0), 1.5208666231788149);
}

TEST(GainTest, EveryNonlinearityHasAGainAndAName) {
  EXPECT_EQ(AllNonlinearities().size(), 26u);
  for (const Nonlinearity nonlinearity : AllNonlinearities()) {
    EXPECT_GT(Gain(nonlinearity, 0.01), 0) << Name(nonlinearity);
    EXPECT_NE(Name(nonlinearity), "?");
  }
}

// Fans.
// ----------------------------------------------------------------------------

Fans FansOf(const Shape& shape, const FanGeometry& geometry = {}) {
  auto fans = ComputeFans(shape, geometry);
  EXPECT_THAT(fans, test::IsOk());
  return fans.ok() ? *fans : Fans{};
}

TEST(FansTest, WithNothingSaidTheyAreTorchs) {
  EXPECT_EQ(FansOf({3, 5}), (Fans{5, 3}));
  EXPECT_EQ(FansOf({8, 4, 3}), (Fans{12, 24}));
  EXPECT_EQ(FansOf({8, 4, 3, 5}), (Fans{60, 120}));
  EXPECT_EQ(FansOf({8, 4, 2, 3, 5}), (Fans{120, 240}));
  EXPECT_EQ(FansOf({8, 1, 3, 3}), (Fans{9, 72}));
  EXPECT_EQ(FansOf({2, 3, 4, 5, 6, 7}), (Fans{2520, 1680}));
}

TEST(FansTest, TorchLinearIsOutIn) {
  EXPECT_EQ(FansOf({128, 64}, {.layout = FanLayout::kOutIn}), (Fans{64, 128}));
}
TEST(FansTest, KerasDenseIsInOut) {
  EXPECT_EQ(FansOf({64, 128}, {.layout = FanLayout::kInOut}), (Fans{64, 128}));
}
TEST(FansTest, TorchConvolutionWithGroups) {
  // (out, in/groups, k…) with out = 64, in = 32, groups = 8.
  EXPECT_EQ(FansOf({64, 4, 3, 3}, {.groups = 8}), (Fans{36, 72}));
}
TEST(FansTest, TorchDepthwiseConvolution) {
  EXPECT_EQ(FansOf({32, 1, 3, 3}, {.groups = 32}), (Fans{9, 9}));
}
TEST(FansTest, TorchTransposedConvolution) {
  // (in, out/groups, k…) with in = 16, out = 32.
  EXPECT_EQ(FansOf({16, 32, 3, 3}, {.transposed = true}), (Fans{144, 288}));
  EXPECT_EQ(FansOf({16, 8, 3, 3}, {.transposed = true, .groups = 4}), (Fans{36, 72}));
}
TEST(FansTest, KerasConvolution) {
  // (k…, in/groups, out)
  EXPECT_EQ(FansOf({3, 3, 16, 32}, {.layout = FanLayout::kInOut}), (Fans{144, 288}));
  EXPECT_EQ(FansOf({3, 3, 4, 32}, {.layout = FanLayout::kInOut, .groups = 4}), (Fans{36, 72}));
}
TEST(FansTest, KerasTransposedConvolution) {
  // (k…, out, in)
  EXPECT_EQ(FansOf({3, 3, 32, 16}, {.layout = FanLayout::kInOut, .transposed = true}),
            (Fans{144, 288}));
}
TEST(FansTest, KerasDepthwiseByAxes) {
  // (k, k, in, multiplier): each input channel is a batch of its own.
  EXPECT_EQ(FansOf({3, 3, 32, 2}, {.in_axes = {0, 1}, .out_axes = {3}, .batch_axes = {2}}),
            (Fans{9, 2}));
}
TEST(FansTest, PerHeadProjectionByAxes) {
  // DenseGeneral (d, heads, head_dim)
  EXPECT_EQ(FansOf({512, 8, 64}, {.in_axes = {0}, .out_axes = {1, 2}}), (Fans{512, 512}));
  EXPECT_EQ(FansOf({8, 64, 512}, {.in_axes = {0, 1}, .out_axes = {-1}}), (Fans{512, 512}));
}
TEST(FansTest, StackedLayersByAxes) {
  EXPECT_EQ(FansOf({12, 64, 256}, {.in_axes = {1}, .out_axes = {2}, .batch_axes = {0}}),
            (Fans{64, 256}));
  EXPECT_EQ(FansOf({12, 64, 256}, {.in_axes = {-2}, .out_axes = {-1}, .batch_axes = {-3}}),
            (Fans{64, 256}));
}
TEST(FansTest, AxesThatNothingNamesAreAReceptiveField) {
  EXPECT_EQ(FansOf({3, 3, 16, 32}, {.in_axes = {-2}, .out_axes = {-1}}), (Fans{144, 288}));
}
TEST(FansTest, NumbersAreTakenAsGiven) {
  EXPECT_EQ(FansOf({7}, {.fan_in = 3.5, .fan_out = 2}), (Fans{3.5, 2}));
  EXPECT_EQ(FansOf({7}, {.fan_in = 3.5}), (Fans{3.5, 0}));
}
TEST(FansTest, LargeFansAreExactDoubles) {
  EXPECT_EQ(FansOf({std::int64_t{1} << 31, std::int64_t{1} << 31}), (Fans{0x1p31, 0x1p31}));
}

TEST(FansTest, FewerThanTwoDimensionsHaveNoFans) {
  EXPECT_THAT(ComputeFans(Shape{}, {}, "s", "f"), IsInvalid("s", "fewer than two dimensions"));
  EXPECT_THAT(ComputeFans(Shape{5}, {}, "s", "f"), IsInvalid("s", "fewer than two dimensions"));
}
TEST(FansTest, GroupsMustDivideTheDimensionThatHoldsThemAll) {
  EXPECT_THAT(ComputeFans(Shape{64, 4, 3}, {.groups = 7}), IsInvalid("fan.groups", "divides 64"));
  EXPECT_THAT(ComputeFans(Shape{64, 4, 3}, {.groups = 0}), IsInvalid("fan.groups"));
  EXPECT_THAT(ComputeFans(Shape{64, 4, 3}, {.groups = -2}), IsInvalid("fan.groups"));
  EXPECT_THAT(ComputeFans(Shape{3, 4, 6}, {.layout = FanLayout::kInOut, .groups = 4}),
              IsInvalid("fan.groups", "divides 6"));
}
TEST(FansTest, AxesMustExistAndStandOnce) {
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.in_axes = {2}, .out_axes = {0}}),
              IsInvalid("fan.in_axes[0]", "no axis"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.in_axes = {0}, .out_axes = {-3}}),
              IsInvalid("fan.out_axes[0]", "no axis"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.in_axes = {0}, .out_axes = {1, -2}}),
              IsInvalid("fan.out_axes[1]", "twice"));
  EXPECT_THAT(ComputeFans(Shape{2, 3, 4}, {.in_axes = {0}, .out_axes = {1}, .batch_axes = {0}}),
              IsInvalid("fan.batch_axes[0]", "twice"));
}
TEST(FansTest, InputAndOutputAxesAreGivenTogether) {
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.out_axes = {0}}), IsInvalid("fan.in_axes", "missing"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.in_axes = {0}}), IsInvalid("fan.out_axes", "missing"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.batch_axes = {0}}), IsInvalid("fan.in_axes", "missing"));
}
TEST(FansTest, NumbersMustBePositiveAndFinite) {
  for (const double bad : {0.0, -1.0, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(ComputeFans(Shape{2, 3}, {.fan_in = bad}), IsInvalid("fan.fan_in")) << bad;
    EXPECT_THAT(ComputeFans(Shape{2, 3}, {.fan_out = bad}), IsInvalid("fan.fan_out")) << bad;
  }
}
TEST(FansTest, TwoWaysToGiveThemAreRefused) {
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.groups = 1, .fan_in = 1.0}), IsInvalid("fan", "several"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.transposed = true, .in_axes = {0}, .out_axes = {1}}),
              IsInvalid("fan", "several"));
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.fan_in = 1.0, .fans_of = "weight"}),
              IsInvalid("fan", "several"));
}
TEST(FansTest, ASiblingMeansNothingOutsideARecipe) {
  EXPECT_THAT(ComputeFans(Shape{2, 3}, {.fans_of = "weight"}), IsInvalid("fan.fans_of"));
}

}  // namespace
}  // namespace weightinit
