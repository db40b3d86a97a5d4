#include "client/cli/recipe_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/formats/recipe_file.h"

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ModelPlan PlanOf(const std::string& yaml) {
  const auto file = ParseRecipeFile(yaml, "recipe");
  EXPECT_TRUE(file.ok()) << file.status();
  const auto plan = Resolve(file->recipe);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *plan;
}

// "w: std 0.02 → 0.01; seed 0 → 1"
std::vector<std::string> Diff(const std::string& left, const std::string& right) {
  std::vector<std::string> lines;
  for (const TensorDifference& difference : DiffPlans(PlanOf(left), PlanOf(right))) {
    std::string line = difference.name + ":";
    for (const auto& reason : difference.reasons) {
      line += " " + reason.what + " " + reason.left + " → " + reason.right + ";";
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(RecipeDiffTest, EveryReasonIsNamed) {
  const std::string base = "tensors: [{name: w, shape: [4, 8], init: 'normal(std=0.02)'}]";
  EXPECT_THAT(Diff(base, base), IsEmpty());
  EXPECT_THAT(Diff(base, "tensors: [{name: w, shape: [4, 8], init: 'normal(std=0.01)'}]"),
              ElementsAre("w: std 0.02 → 0.01;"));
  EXPECT_THAT(
      Diff(base, "{seed: 1, tensors: [{name: w, shape: [4, 8], init: 'normal(std=0.02)'}]}"),
      ElementsAre("w: seed 0 → 1;"));
  EXPECT_THAT(
      Diff(base, "tensors: [{name: w, shape: [8, 4], dtype: bfloat16, init: 'normal(std=0.02)'}]"),
      ElementsAre("w: shape [4, 8] → [8, 4]; dtype FLOAT32 → BFLOAT16;"));
  EXPECT_THAT(Diff(base, "tensors: [{name: w, shape: [4, 8], init: zeros}]"),
              ElementsAre("w: distribution normal → filled;"));
  EXPECT_THAT(
      Diff(base, "tensors: [{name: w, draw_name: v, shape: [4, 8], init: 'normal(std=0.02)'}]"),
      ElementsAre(::testing::MatchesRegex("w: subsequence [0-9a-f]+ → [0-9a-f]+;")));
}

TEST(RecipeDiffTest, TensorsOfOneSideComeInOrder) {
  EXPECT_THAT(
      Diff("tensors: [{name: b, shape: [1], init: ones}, {name: a, shape: [2], init: ones}]",
           "tensors: [{name: c, shape: [3], init: ones}, {name: a, shape: [2], init: ones}]"),
      ElementsAre("b: only in the first [1] → ;", "c: only in the second  → [3];"));
}

TEST(RecipeDiffTest, WordsThatEnterNowhereAreNoDifference) {
  EXPECT_THAT(Diff("{seed: 1, tensors: [{name: w, shape: [1], init: ones}]}",
                   "{seed: 2, tensors: [{name: w, shape: [1], init: 'constant(value=1)'}]}"),
              IsEmpty());
}

TEST(RecipeDiffTest, OrderOfTensorsIsNone) {
  EXPECT_THAT(
      Diff("tensors: [{name: b, shape: [1], init: ones}, {name: a, shape: [2], init: ones}]",
           "tensors: [{name: a, shape: [2], init: ones}, {name: b, shape: [1], init: ones}]"),
      IsEmpty());
}

TEST(RecipeDiffTest, ViewsDifferInTheirLayoutOrInAPart) {
  const auto packed = [](const std::string& view, const std::string& seed = "0") {
    return "{seed: " + seed + ", tensors: [{name: qkv, shape: [6, 4], init: normal, view: " + view +
           "}]}";
  };
  const std::string concat = "{concat: {parts: [{name: q}, {name: k}, {name: v}]}}";
  EXPECT_THAT(Diff(packed(concat), packed(concat)), IsEmpty());
  EXPECT_THAT(Diff(packed(concat), packed(concat, "7")), ElementsAre("qkv: seed of q 0 → 7;"));
  EXPECT_EQ(Diff(packed(concat), packed("{concat: {parts: [{name: q}, {name: k}]}}")).size(), 1u);
  EXPECT_EQ(Diff(packed(concat), packed("{zero_rows: [{start: 0, size: 1}]}")).size(), 1u);
}

TEST(RecipeDiffTest, ReplaysDifferInWhatPrecedes) {
  const auto torch = [](const std::string& generator, const std::string& draws = "") {
    return "{generator: " + generator + ", " + draws +
           "tensors: [{name: a, shape: [20], init: normal}, {name: b, shape: [30], init: "
           "uniform}]}";
  };
  const std::string plain = torch("torch_cpu");
  EXPECT_THAT(Diff(plain, torch("'torch_cpu(torch_version=2.5)'")), IsEmpty());
  EXPECT_THAT(Diff(plain, torch("'torch_cpu(variant=DEFAULT)'")),
              ElementsAre("a: variant AVX2 → DEFAULT;", "b: variant AVX2 → DEFAULT;"));
  EXPECT_THAT(Diff(plain, torch("'torch_cpu(torch_version=2.12)'")),
              ElementsAre("a: torch_version 2.11 → 2.12;", "b: torch_version 2.11 → 2.12;"));
  EXPECT_THAT(Diff(plain, torch("torch_cpu", "seed: 1, ")),
              ElementsAre("a: start seed 0 → seed 1;", "b: start seed 0 → seed 1;"));
  EXPECT_THAT(
      Diff(plain, torch("torch_cpu", "draws: [{name: b}, {name: a}], ")),
      ElementsAre("a: draw 1 of the stream this one → b: uniform low=0 high=1, 30 FLOAT32;",
                  "b: draw 1 of the stream a: normal mean=0 std=1, 20 FLOAT32 → this one;"));
  const auto jax = [](const std::string& parameters) {
    return "{generator: 'jax_threefry" + parameters +
           "', tensors: [{name: a, shape: [20], init: uniform}]}";
  };
  EXPECT_THAT(Diff(jax(""), jax("(layout=LEGACY)")),
              ElementsAre("a: layout of words PARTITIONABLE → LEGACY;"));
  EXPECT_THAT(Diff(jax(""), jax("(fold_in=1)")),
              ElementsAre(::testing::StartsWith("a: key (0, 0) → (")));
}

TEST(RecipeDiffTest, NumbersThatAreCloseAreTold) {
  EXPECT_THAT(Diff("tensors: [{name: w, shape: [1], init: 'normal(std=0.1)'}]",
                   "tensors: [{name: w, shape: [1], init: 'normal(std=0.10000000000000002)'}]"),
              ElementsAre("w: std 0.1 → 0.10000000000000002;"));
}

}  // namespace
}  // namespace weightinit::client
