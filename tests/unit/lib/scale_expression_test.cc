// The expressions of Rule::scale. What is refused stands in tests/refusals.json.
#include "lib/recipe/scale_expression.h"

#include <clocale>
#include <cmath>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::Bare;
using test::IsInvalid;
using test::MustResolve;
using test::RuleOf;
using ::testing::ElementsAre;

const Constants kConstants = {{"L", 12}, {"d", 4096}};
const std::vector<std::string> kGroups = {"block", "layer"};

absl::StatusOr<double> ValueOf(std::string_view text, double layer = 7) {
  auto expression = ScaleExpression::Create(text, kConstants, kGroups, "scale");
  if (!expression.ok()) return expression.status();
  return expression->Evaluate(std::vector<double>(expression->used_groups().size(), layer));
}

TEST(ScaleExpressionTest, ValuesAreThoseOfPythonsMath) {
  struct Case {
    const char* text;
    double value;
  };
  const Case cases[] = {{"1/sqrt(2*(layer+1))", 0.25},
                        {"(8*L)^-0.25", 0.3194715521231362},
                        {"d^0.5", 64.0},
                        {"2^0.1", 1.0717734625362931},
                        {"log(d)", 8.317766166719343},
                        {"exp(0-layer/3)", 0.09697196786440505},
                        {"(2/(5*d))^0.5", 0.009882117688026186},
                        {"2/(L*sqrt(d))", 0.0026041666666666665},
                        {"min(1, layer/L, 3)", 0.5833333333333334},
                        {"max(layer, L)^3", 1728.0},
                        {"sqrt(log(2*L))", 1.782709687623856},
                        {"1.5e-3*layer", 0.0105},
                        {"10^-2.5", 0.0031622776601683794},
                        {"3^-2", 0.1111111111111111},
                        {"0.3^7", 0.00021869999999999995},
                        {"2^1.5", 2.8284271247461903},
                        {"L-layer-1", 4},
                        {"8/4/2", 1.0},
                        {"2^3^2", 512.0},
                        {"-2^2+5", 1.0},
                        {"((L))", 12.0},
                        {"exp(log(3))", 3.0},
                        {"log(1e-320)+800", 63.17275910902606}};
  for (const Case& c : cases) {
    const auto value = ValueOf(c.text);
    ASSERT_OK(value) << c.text;
    EXPECT_NEAR(*value, c.value, std::abs(c.value) * 0x1p-43) << c.text;
  }
}

TEST(ScaleExpressionTest, RootsAndWholePowersAreExact) {
  EXPECT_EQ(*ValueOf("d^0.5"), 64);
  EXPECT_EQ(*ValueOf("1/sqrt(2*L)"), 1 / std::sqrt(24.0));
  EXPECT_EQ(*ValueOf("2^10"), 1024);
  EXPECT_EQ(*ValueOf("0^0"), 1);
  EXPECT_EQ(*ValueOf("1^1e300"), 1);
}

// The bits are a contract: these do not come from a C library.
TEST(ScaleExpressionTest, BitsStayWhatTheyAre) {
  EXPECT_EQ(*ValueOf("exp(1)"), 0x1.5bf0a8b14576ap+1);
  EXPECT_EQ(*ValueOf("log(10)"), 0x1.26bb1bbb55516p+1);
  EXPECT_EQ(*ValueOf("2^0.1"), 0x1.125fbee250664p+0);
}

TEST(ScaleExpressionTest, KnowsNoLocale) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"de_DE.UTF-8", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;
    EXPECT_EQ(*ValueOf("1.5*2"), 3) << locale;
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST(ScaleExpressionTest, NamesOnlyTheGroupsThatItUses) {
  const auto expression = ScaleExpression::Create("layer+1", kConstants, kGroups, "scale");
  ASSERT_OK(expression);
  EXPECT_THAT(expression->used_groups(), ElementsAre(1));
}

TEST(ScaleExpressionTest, OneExpressionServesManyTensors) {
  auto expression = ScaleExpression::Create("1/(layer-3)", kConstants, kGroups, "scale");
  ASSERT_OK(expression);
  const double three[] = {3}, four[] = {4}, two[] = {2};
  EXPECT_EQ(*expression->Evaluate(four), 1);
  EXPECT_FALSE(expression->Evaluate(three).ok());
  EXPECT_FALSE(expression->Evaluate(two).ok());
  EXPECT_EQ(*expression->Evaluate(four), 1);  // an error leaves nothing behind
}

TEST(ScaleRuleTest, EachTensorGetsTheValueOfItsOwnName) {
  Recipe recipe;
  recipe.constants = kConstants;
  recipe.tensors = {Bare("h.0.w", {4, 4}), Bare("h.7.w", {4, 4}), Bare("h.007.w", {4, 4}),
                    Bare("other", {4, 4})};
  recipe.rules = {RuleOf("h\\.(?P<layer>\\d+)\\.w", Normal{.std = 0.02}),
                  RuleOf(".*", Normal{.std = 0.02})};
  recipe.rules[0].scale = "1/sqrt(2*(layer+1))";
  recipe.tensors[2].scale = 3;  // its own goes first
  const ModelPlan plan = MustResolve(recipe);
  const auto std_of = [&](std::size_t draw) {
    return std::get<NormalWith>(plan.draws[draw].distribution).std;
  };
  EXPECT_EQ(std_of(0), 0.02 * (1 / std::sqrt(2.0)));
  EXPECT_EQ(std_of(1), 0.02 * (1 / std::sqrt(16.0)));
  EXPECT_EQ(std_of(2), 0.06);
  EXPECT_EQ(std_of(3), 0.02);
  // Expanded, the numbers stand with the tensors.
  const auto expanded = Expand(recipe);
  ASSERT_OK(expanded);
  EXPECT_EQ(MustResolve(expanded->recipe).fingerprint, plan.fingerprint);
}

TEST(ScaleRuleTest, ARuleThatMayBeIdleIsReadAllTheSame) {
  Recipe recipe;
  recipe.tensors = {Bare("a", {2})};
  recipe.rules = {RuleOf("a", Normal{}), RuleOf("b", Normal{})};
  recipe.rules[1].may_be_idle = true;
  recipe.rules[1].scale = "1/layers";
  EXPECT_THAT(Resolve(recipe), IsInvalid("rules[1].scale", "\"layers\""));
}

}  // namespace
}  // namespace weightinit
