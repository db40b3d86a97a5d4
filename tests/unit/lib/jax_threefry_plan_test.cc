// Models replayed from jax: the values that its documentation prints, keys, parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "lib/base/threefry.h"
#include "tests/unit/lib/slices.h"
#include "tests/unit/lib/testing.h"

namespace weightinit::test {
namespace {

using Layout = JaxThreefry::Layout;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<float> ValuesOfTensor(const ModelPlan& plan, std::string_view name) {
  const auto bound = Bind(plan, {.name = std::string(name)}, "selection");
  EXPECT_OK(bound);
  return bound.ok() ? ValuesOf<float>(BytesOf(EngineOf(1), plan, *bound)) : std::vector<float>();
}

// A kernel as jax holds it: (in, out).
TensorSpec Kernel(const char* name, Shape shape, const Initializer& init) {
  TensorSpec spec = Spec(name, std::move(shape), init);
  spec.fan = FanGeometry{.layout = FanLayout::kInOut};
  return spec;
}

std::vector<float> Drawn(const TensorSpec& spec, std::uint64_t seed, const JaxThreefry& jax = {}) {
  const auto plan = ResolveTensor(spec, seed, jax);
  EXPECT_OK(plan);
  return plan.ok() ? ValuesOfTensor(*plan, spec.name) : std::vector<float>();
}

VarianceScaling Scaling(double scale, FanMode mode, VarianceScalingDistribution distribution) {
  return {.scale = scale, .mode = mode, .distribution = distribution};
}

constexpr auto kUniform = VarianceScalingDistribution::kUniform;
constexpr auto kTruncated = VarianceScalingDistribution::kTruncatedNormal;

// The docstrings of jax.nn.initializers: initializer(jax.random.key(42), (2, 3), jnp.float32) in
// the legacy layout, as they print it.
struct Docstring {
  const char* name;
  Initializer init;
  std::array<float, 6> printed;
};

const Docstring kUniformDocstrings[] = {
    {"uniform(10.0)",
     Uniform{.low = 0, .high = 10},
     {7.298188f, 8.691938f, 8.7230015f, 2.0818567f, 1.8662417f, 5.5022564f}},
    {"glorot_uniform",
     XavierUniform{},
     {0.50350785f, 0.8088631f, 0.81566876f, -0.6393332f, -0.6865721f, 0.11003882f}},
    {"he_uniform",
     KaimingUniform{.nonlinearity = Nonlinearity::kRelu},
     {0.79611576f, 1.2789248f, 1.2896855f, -1.0108745f, -1.0855657f, 0.17398663f}},
    {"lecun_uniform",
     LecunUniform{},
     {0.56293887f, 0.90433645f, 0.9119454f, -0.71479625f, -0.7676109f, 0.12302713f}}};

const Docstring kNormalDocstrings[] = {
    {"glorot_normal",
     Scaling(1, FanMode::kFanAvg, kTruncated),
     {0.41770416f, 0.75262755f, 0.7619329f, -0.5516644f, -0.6028657f, 0.08661086f}},
    {"he_normal",
     Scaling(2, FanMode::kFanIn, kTruncated),
     {0.6604483f, 1.1900088f, 1.2047218f, -0.87225807f, -0.95321447f, 0.1369438f}},
    {"lecun_normal",
     LecunNormal{},
     {0.46700746f, 0.8414632f, 0.8518669f, -0.61677957f, -0.67402434f, 0.09683388f}},
    {"truncated_normal(5.0)",
     TruncatedNormal{.std = 5},
     {2.9047365f, 5.2338114f, 5.29852f, -3.836303f, -4.192359f, 0.6022964f}}};

JaxThreefry Legacy() {
  JaxThreefry jax;
  jax.layout = Layout::kLegacy;
  return jax;
}

TEST(JaxPublished, UniformInitializersExactly) {
  for (const Docstring& one : kUniformDocstrings) {
    const auto values = Drawn(Kernel("w", {2, 3}, one.init), 42, Legacy());
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_EQ(values[i], one.printed[i]) << one.name << " " << i;
  }
  // The same by their definition.
  EXPECT_EQ(Drawn(Kernel("w", {2, 3}, Scaling(1, FanMode::kFanAvg, kUniform)), 42, Legacy()),
            Drawn(Kernel("w", {2, 3}, XavierUniform{}), 42, Legacy()));
}

TEST(JaxPublished, NormalInitializersWithinAFewUlp) {
  for (const Docstring& one : kNormalDocstrings) {
    const auto values = Drawn(Kernel("w", {2, 3}, one.init), 42, Legacy());
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], one.printed[i], 3e-7f * std::abs(one.printed[i]))
          << one.name << " " << i;
    }
  }
}

// The printed values of jax's documentation of random numbers, partitionable.
TEST(JaxPublished, Keys) {
  TensorSpec spec = Spec("w", {1}, Normal{});
  for (const float printed : {0.07592554f, 0.60576403f, 0.4323065f}) {
    spec.subsequence = spec.subsequence.has_value() ? *spec.subsequence + 1 : 0;  // split(key, 3)
    EXPECT_NEAR(Drawn(spec, 42)[0], printed, 1e-8);
  }
  spec.init = Uniform{};
  spec.subsequence.reset();
  EXPECT_EQ(Drawn(spec, 0)[0], 0.947667f);
}

TEST(JaxKeys, AreFolded) {
  JaxThreefry jax;
  jax.fold_in = {5, 7};
  TensorSpec spec = Spec("w", {2}, Normal{});
  spec.subsequence = 3;
  const auto plan = ResolveTensor(spec, (std::uint64_t{9} << 32) + 11, jax);
  ASSERT_OK(plan);
  const jax_threefry::Key key = jax_threefry::FoldIn(
      jax_threefry::FoldIn(jax_threefry::FoldIn(jax_threefry::KeyOf(11), 5), 7), 3);
  EXPECT_EQ(plan->draws[0].jax_key, (JaxKey{key.first, key.second, Layout::kPartitionable}));
  EXPECT_THAT(plan->tensors[0].notes, Contains(HasSubstr("key (" + std::to_string(key.first))));
}

TEST(JaxKeys, OneKeyIsDrawnOnce) {
  Recipe recipe;
  recipe.generator = JaxThreefry{};
  recipe.tensors = {Spec("a", {2}, Normal{}), Spec("zeros", {2}, Zeros{}),
                    Spec("b", {2}, Uniform{})};
  EXPECT_THAT(Resolve(recipe), IsInvalid("tensors[2].name", "distinct subsequences"));
  recipe.tensors[2].seed = std::uint64_t{1} << 32;  // whose low half is 0
  EXPECT_THAT(Resolve(recipe), IsInvalid("tensors[2].name", "key (0, 0)"));
  recipe.tensors[2].seed = 1;
  EXPECT_OK(Resolve(recipe));
  recipe.tensors[2].seed = std::nullopt;
  recipe.tensors[2].subsequence = 0;
  const auto plan = Resolve(recipe);
  ASSERT_OK(plan);
  EXPECT_EQ(ValuesOfTensor(*plan, "zeros"), (std::vector<float>{0, 0}));
}

TEST(JaxPlan, SaysWhatIsApproximate) {
  const auto notes = [](const Initializer& init) {
    const auto plan = ResolveTensor(Spec("w", {4, 4}, init), 0, JaxThreefry{});
    EXPECT_OK(plan);
    return plan.ok() ? plan->tensors[0].notes : std::vector<std::string>();
  };
  EXPECT_THAT(notes(Uniform{}), Not(Contains(HasSubstr("approximate"))));
  EXPECT_THAT(notes(KaimingUniform{}), Not(Contains(HasSubstr("approximate"))));
  EXPECT_THAT(notes(Normal{}), Contains(HasSubstr("within 3 ulp")));
  EXPECT_THAT(notes(LecunNormal{}), Contains(HasSubstr("within 3 ulp")));
  EXPECT_THAT(notes(TruncatedNormal{.high = 1}), Contains(HasSubstr("1e-5")));
  EXPECT_THAT(notes(Orthogonal{}), Contains(HasSubstr("factorization")));
}

TEST(JaxPlan, FingerprintsAreOfKeysAndLayouts) {
  const auto of = [](std::uint64_t seed, const JaxThreefry& jax) {
    const auto plan = ResolveTensor(Spec("w", {4}, Uniform{}), seed, jax);
    EXPECT_OK(plan);
    return plan->fingerprint;
  };
  EXPECT_EQ(of(1, {}), of((std::uint64_t{1} << 32) + 1, {}));
  EXPECT_NE(of(1, {}), of(2, {}));
  EXPECT_NE(of(1, {}), of(1, Legacy()));
}

// Parts of every kind of draw, cut and threaded at random.
TEST(JaxParts, EqualTheWhole) {
  const Initializer inits[] = {Uniform{.low = -0.3, .high = 0.4}, Normal{.std = 0.02},
                               LecunNormal{}, Orthogonal{}};
  Random random(8);
  for (const JaxThreefry& jax : {JaxThreefry{}, Legacy()}) {
    for (const Initializer& init : inits) {
      const auto plan = ResolveTensor(Spec("w", {61, 45}, init), 11, jax);
      ASSERT_OK(plan);
      const auto bound = Bind(*plan, {.name = "w"}, "selection");
      ASSERT_OK(bound);
      const std::vector<std::byte> full = BytesOf(EngineOf(1), *plan, *bound);
      SCOPED_TRACE(ToString(init));
      for (int turn = 0; turn < 40; ++turn) CheckPart(random, *plan, full);
    }
  }
}

// Both ways of a matrix: orthonormal along the shorter side.
TEST(JaxOrthogonal, IsOrthonormal) {
  for (const Shape& shape : {Shape{7, 4}, Shape{4, 7}}) {
    const auto values = Drawn(Spec("w", shape, Orthogonal{}), 3);
    const auto rows = static_cast<std::size_t>(shape[0]), cols = static_cast<std::size_t>(shape[1]);
    const bool tall = rows >= cols;
    for (std::size_t a = 0; a < std::min(rows, cols); ++a) {
      double dot = 0;
      for (std::size_t k = 0; k < std::max(rows, cols); ++k)
        dot += std::pow(values[tall ? k * cols + a : a * cols + k], 2);
      EXPECT_NEAR(dot, 1, 1e-6);
    }
  }
}

}  // namespace
}  // namespace weightinit::test
