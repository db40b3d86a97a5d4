#include "client/cli/replay_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/plan_report.h"
#include "client/cli/spec_flags.h"
#include "weightinit/generator.h"

namespace weightinit::client {
namespace {

using ::testing::HasSubstr;

TEST(ReplayText, SaysTheDialectAndWhereItStarts) {
  const SpecFlags flags(SpecFlags::Takes::kRecipe);
  const auto start = [&](const char* generator, std::uint64_t seed) {
    return flags.StartText(*ParseGenerator(generator), seed);
  };
  EXPECT_EQ(start("philox_v1", 7), "philox_v1, seed 7");
  EXPECT_EQ(start("torch_cpu", 0), "torch_cpu AVX2 2.11, seed 0 (the default; --seed sets it)");
  EXPECT_EQ(start("torch_cpu(variant=DEFAULT, torch_version=1.13.1)", 3),
            "torch_cpu DEFAULT 1.13, seed 3");
  EXPECT_EQ(start("jax_threefry(layout=LEGACY, fold_in=3, fold_in=1)", 3),
            "jax_threefry LEGACY, fold_in 3, 1, seed 3");
  TorchCpu torch;
  torch.start_state = "state";
  EXPECT_EQ(flags.StartText(torch, 0), "torch_cpu AVX2 2.11, from a start_state");
  EXPECT_EQ(flags.SeedText(PhiloxV1{}, 7), "seed 7");
}

ModelPlan Approximate() {
  Recipe recipe;
  recipe.generator = TorchCpu{};
  for (const char* name : {"a", "b", "c", "d", "e"}) {
    TensorSpec& spec = recipe.tensors.emplace_back();
    spec.name = name;
    spec.shape = {8, 8};
    spec.init = Orthogonal{};
  }
  recipe.tensors[1].init = Uniform{};
  recipe.tensors[4].init = TruncatedNormal{};
  const auto plan = Resolve(recipe);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *plan;
}

TEST(ReplayText, NamesWhatIsApproximateByReason) {
  const ModelPlan plan = Approximate();
  EXPECT_EQ(ApproximationWarning(plan, {1}), "");
  EXPECT_THAT(ApproximationWarning(plan, {0, 1, 2, 3}),
              AllOf(testing::StartsWith("approximate: the normals are torch's"),
                    testing::EndsWith("(a, c, d)")));
  EXPECT_THAT(ApproximationWarning(plan, {0, 1, 4}), HasSubstr("(a); and for 1 other reason"));
  EXPECT_EQ(ApproximationText(Approximation{"near", {"a", "b", "c", "d", "e"}}),
            "approximate: near (a, b, c, … and 2 more)");
}

TEST(ReplayText, PlansListWhatIsApproximate) {
  PlanAnswer answer;
  const ModelPlan plan = Approximate();
  for (const TensorPlan& tensor : plan.tensors) {
    v1::TensorPlan& told = answer.tensors.emplace_back();
    told.set_name(tensor.name);
    told.mutable_notes()->Add(tensor.notes.begin(), tensor.notes.end());
  }
  const std::string text = PlanReportText(answer, {}, {}, {}, "torch_cpu AVX2 2.11, seed 1",
                                          Terminal(false, false, 200));
  EXPECT_THAT(text, HasSubstr("(a, c, d)\napproximate: "));
  EXPECT_THAT(text, HasSubstr("; torch_cpu AVX2 2.11, seed 1\n"));
}

}  // namespace
}  // namespace weightinit::client
