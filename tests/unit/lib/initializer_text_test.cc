// The text form of initializers: what is printed reads back, and what is refused says why.
#include <cmath>
#include <limits>
#include <random>
#include <type_traits>

#include "lib/recipe/parameters.h"
#include "tests/unit/lib/testing.h"
#include "weightinit/initializer.h"

namespace weightinit {
namespace {

using test::IsInvalid;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Sets every parameter to something random; NaN is left out, since it does not equal itself.
struct Randomizer {
  std::mt19937_64& rng;

  double AnyDouble() const {
    switch (rng() % 8) {
      case 0:
        return -0.0;
      case 1:
        return kInfinity;
      case 2:
        return -kInfinity;
      case 3:
        return std::numeric_limits<double>::denorm_min();
      case 4:
        return static_cast<double>(static_cast<std::int64_t>(rng() % 2001) - 1000);
      default: {
        const double mantissa = static_cast<double>(rng() >> 11) * 0x1p-53;
        return std::ldexp(mantissa, static_cast<int>(rng() % 2000) - 1000);
      }
    }
  }
  void operator()(std::string_view, double& value) const { value = AnyDouble(); }
  void operator()(std::string_view, std::int64_t& value) const {
    value = static_cast<std::int64_t>(rng());
  }
  void operator()(std::string_view, bool& value) const { value = rng() % 2 != 0; }
  void operator()(std::string_view, FanMode& value) const {
    value = static_cast<FanMode>(1 + rng() % 4);
  }
  void operator()(std::string_view, Nonlinearity& value) const {
    value = AllNonlinearities()[rng() % AllNonlinearities().size()];
  }
  void operator()(std::string_view, TruncationBounds& value) const {
    value = static_cast<TruncationBounds>(1 + rng() % 2);
  }
  void operator()(std::string_view, VarianceScalingDistribution& value) const {
    value = static_cast<VarianceScalingDistribution>(1 + rng() % 3);
  }
  template <typename T>
  void operator()(std::string_view name, std::optional<T>& value) const {
    value.reset();
    if (rng() % 3 == 0) return;
    (*this)(name, value.emplace());
  }
};

template <typename Visitor>
void ForEachMethod(const Visitor& visit) {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (visit(std::variant_alternative_t<I, Initializer>{}), ...);
  }
  (std::make_index_sequence<std::variant_size_v<Initializer>>());
}

TEST(InitializerTextTest, EveryMethodWithRandomParametersReadsBack) {
  std::mt19937_64 rng(0x2B7E151628AED2A6);
  ForEachMethod([&](auto method) {
    for (int i = 0; i < 300; ++i) {
      VisitParameters(method, Randomizer{rng});
      const Initializer init = method;
      const std::string text = ToString(init);
      const auto parsed = ParseInitializer(text);
      ASSERT_THAT(parsed, test::IsOk()) << text;
      EXPECT_EQ(*parsed, init) << text;
      EXPECT_EQ(ToString(*parsed), text);
    }
  });
}

TEST(InitializerTextTest, DefaultsPrintAsTheBareName) {
  ForEachMethod([](auto method) {
    const Initializer init = method;
    EXPECT_EQ(ToString(init), MethodName(init));
    ASSERT_OK(ParseInitializer(ToString(init)));
    EXPECT_EQ(*ParseInitializer(ToString(init)), init);
    const auto with_parentheses = ParseInitializer(ToString(init) + "( )");
    ASSERT_OK(with_parentheses);
    EXPECT_EQ(*with_parentheses, init);
  });
}

TEST(InitializerTextTest, PrintsOnlyWhatDiffersFromTheDefault) {
  EXPECT_EQ(ToString(KaimingUniform{.nonlinearity = Nonlinearity::kRelu}),
            "kaiming_uniform(nonlinearity=RELU)");
  EXPECT_EQ(ToString(Normal{.std = 0.02}), "normal(std=0.02)");
  EXPECT_EQ(ToString(XavierUniform{.gain = 1.0}), "xavier_uniform(gain=1)");
}

Initializer Parsed(std::string_view text) {
  auto init = ParseInitializer(text);
  EXPECT_THAT(init, test::IsOk()) << text;
  return init.ok() ? *init : Initializer();
}

TEST(InitializerTextTest, TakesAnyCaseAndSpaces) {
  EXPECT_EQ(
      Parsed("  Kaiming_Uniform( MODE = fan_out ,nonlinearity=ReLU )  "),
      Initializer(KaimingUniform{.mode = FanMode::kFanOut, .nonlinearity = Nonlinearity::kRelu}));
}

TEST(InitializerTextTest, TakesTheSpellingsOfOtherLibraries) {
  EXPECT_EQ(Parsed("trunc_normal_(std=0.02)"), Initializer(TruncatedNormal{.std = 0.02}));
  EXPECT_EQ(Parsed("trunc_normal"), Initializer(TruncatedNormal{}));
  EXPECT_EQ(Parsed("kaiming_uniform_(a=0.5)"), Initializer(KaimingUniform{.negative_slope = 0.5}));
  EXPECT_EQ(Parsed("glorot_uniform"), Initializer(XavierUniform{}));
  EXPECT_EQ(Parsed("Glorot_Normal"), Initializer(XavierNormal{}));
  EXPECT_EQ(Parsed("he_uniform"), Initializer(KaimingUniform{}));
  EXPECT_EQ(Parsed("he_normal"), Initializer(KaimingNormal{}));
  EXPECT_EQ(Parsed("orthogonal_"), Initializer(Orthogonal{}));
}

TEST(InitializerTextTest, NumbersMayBeInfiniteOrScientific) {
  EXPECT_EQ(Parsed("truncated_normal(low=-inf, high=+Infinity)"),
            Initializer(TruncatedNormal{.low = -kInfinity, .high = kInfinity}));
  EXPECT_EQ(Parsed("constant(value=-1.25E-3)"), Initializer(Constant{-1.25e-3}));
}

struct Refusal {
  std::string text, field, fragment;
  friend void PrintTo(const Refusal& refusal, std::ostream* out) {
    *out << '"' << refusal.text << '"';
  }
};

class InitializerRefusalTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(InitializerRefusalTest, NamesTheFieldAndWhatExists) {
  EXPECT_THAT(ParseInitializer(GetParam().text, "rules[1].init"),
              IsInvalid(GetParam().field, GetParam().fragment))
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, InitializerRefusalTest,
    ::testing::Values(
        Refusal{"", "rules[1].init", "is not an initializer"},
        Refusal{"kaming_uniform", "rules[1].init", "did you mean kaiming_uniform?"},
        Refusal{"lsuv", "rules[1].init", "allowed: zeros, ones, constant"},
        Refusal{"(std=1)", "rules[1].init", "is not an initializer"},
        Refusal{"zeros)", "rules[1].init", "is not an initializer"},
        Refusal{"normal(std=1", "rules[1].init", "lacks the closing parenthesis"},
        Refusal{"normal(std=1) x", "rules[1].init", "lacks the closing parenthesis"},
        Refusal{"normal(0.02)", "rules[1].init.normal", "parameter=value"},
        Refusal{"normal(std=1,)", "rules[1].init.normal", "parameter=value"},
        Refusal{"normal(sigma=1)", "rules[1].init.normal.sigma", "allowed: mean, std"},
        Refusal{"zeros(value=1)", "rules[1].init.zeros.value", "allowed: none"},
        Refusal{"normal,std=0.02", "rules[1].init", "(write normal(std=0.02))"},
        Refusal{"he_normal mode=fan_out", "rules[1].init", "(write kaiming_normal(mode=fan_out))"},
        Refusal{"trunc_normal_(std=.02, a=-1, b=1)", "rules[1].init.truncated_normal.a",
                "no such parameter as \"a\"; allowed: mean"},
        Refusal{"normal(std=1, std=2)", "rules[1].init.normal.std", "given twice"},
        Refusal{"kaiming_uniform(a=1, negative_slope=1)",
                "rules[1].init.kaiming_uniform.negative_slope", "given twice"},
        Refusal{"normal(std=wide)", "rules[1].init.normal.std", "\"wide\" is not a number"},
        Refusal{"normal(std=)", "rules[1].init.normal.std", "is not a number"},
        Refusal{"normal(std=1 2)", "rules[1].init.normal.std", "is not a number"},
        Refusal{"normal(std=++1)", "rules[1].init.normal.std", "is not a number"},
        Refusal{"dirac(groups=1.5)", "rules[1].init.dirac.groups", "not a whole number"},
        Refusal{"dirac(groups=99999999999999999999)", "rules[1].init.dirac.groups", "whole number"},
        Refusal{"truncated_normal(correct_variance=yes)",
                "rules[1].init.truncated_normal.correct_variance", "allowed: true, false"},
        Refusal{"truncated_normal(bounds=wide)", "rules[1].init.truncated_normal.bounds",
                "SIGMA, ABSOLUTE"},
        Refusal{"kaiming_normal(mode=fan_both)", "rules[1].init.kaiming_normal.mode",
                "FAN_IN, FAN_OUT"},
        Refusal{"kaiming_normal(nonlinearity=glu)", "rules[1].init.kaiming_normal.nonlinearity",
                "GELU_TANH"},
        Refusal{"variance_scaling(distribution=cauchy)",
                "rules[1].init.variance_scaling.distribution",
                "TRUNCATED_NORMAL, NORMAL, UNIFORM"}));

TEST(DescribeMethodsTest, DescribesEveryParameterOnceInOrder) {
  const auto descriptions = DescribeMethods();
  ASSERT_EQ(descriptions.size(), std::variant_size_v<Initializer>);
  std::size_t i = 0;
  ForEachMethod([&](auto method) {
    const MethodDescription& description = descriptions[i++];
    EXPECT_EQ(description.name, MethodName(method));
    EXPECT_FALSE(description.formula.empty());
    std::vector<std::string> names, described;
    VisitParameters(method, [&](std::string_view name, const auto&) { names.emplace_back(name); });
    for (const ParameterDescription& parameter : description.parameters) {
      described.push_back(parameter.name);
      EXPECT_FALSE(parameter.default_value.empty()) << parameter.name;
      EXPECT_FALSE(parameter.allowed.empty()) << parameter.name;
    }
    EXPECT_EQ(described, names);
  });
}

TEST(DescribeMethodsTest, DefaultsThatAreNumbersAreTheMethodsOwn) {
  for (const MethodDescription& description : DescribeMethods()) {
    for (const ParameterDescription& parameter : description.parameters) {
      if (parameter.default_value == "required" || parameter.default_value == "none") continue;
      // Written out, the default of an optional parameter is no longer absent; the plan's numbers
      // decide whether it is the same.
      const auto init = ParseInitializer(description.name + "(" + parameter.name + "=" +
                                         parameter.default_value + ")");
      EXPECT_THAT(init, test::IsOk()) << description.name << " " << parameter.name;
    }
  }
}

}  // namespace
}  // namespace weightinit
