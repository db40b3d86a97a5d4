#include "proto/convert_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proto/convert_recipe.h"
#include "weightinit/engine.h"

namespace weightinit::proto {
namespace {

TensorSpec Tensor(const std::string& name, Shape shape, Initializer init) {
  TensorSpec tensor;
  tensor.name = name;
  tensor.shape = std::move(shape);
  tensor.init = std::move(init);
  return tensor;
}

TEST(Plans, SayWhatTheLibraryResolved) {
  Recipe recipe;
  recipe.seed = 7;
  recipe.tensors = {Tensor("w", {64, 32},
                           KaimingNormal{.mode = FanMode::kFanIn,
                                         .nonlinearity = Nonlinearity::kRelu,
                                         .negative_slope = {}}),
                    Tensor("b", {64}, Zeros())};
  const auto plan = Resolve(recipe);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const v1::TensorPlan w = TensorPlanToProto(*plan, 0);
  EXPECT_EQ(w.name(), "w");
  EXPECT_EQ(std::vector<std::int64_t>(w.shape().begin(), w.shape().end()), (Shape{64, 32}));
  EXPECT_EQ(w.dtype(), v1::FLOAT32);
  EXPECT_EQ(w.elements(), 2048u);
  EXPECT_EQ(w.bytes(), 8192u);
  EXPECT_EQ(w.generator(), "philox_v1");
  EXPECT_EQ(w.draw_name(), "w");
  EXPECT_EQ(w.seed(), 7u);
  EXPECT_EQ(w.subsequence(), SubsequenceOf("w"));
  EXPECT_EQ(w.distribution().kind(), v1::Distribution::NORMAL);
  EXPECT_EQ(w.fan_in(), 32);
  EXPECT_FALSE(w.has_lower_bound());
  EXPECT_FALSE(w.has_rule());
  EXPECT_EQ(w.layout(), "identity");

  const v1::TensorPlan b = TensorPlanToProto(*plan, 1);
  EXPECT_EQ(b.distribution().kind(), v1::Distribution::CONSTANT);
  EXPECT_FALSE(b.has_subsequence());  // no words are drawn
  EXPECT_TRUE(b.has_lower_bound());
}

TEST(Plans, OfViewsListTheirParts) {
  Recipe recipe;
  recipe.tensors = {Tensor("qkv", {6, 4}, XavierNormal()), Tensor("t", {4, 6}, Normal()),
                    Tensor("tied", {6, 4}, Normal())};
  Concat concat;
  for (const char* name : {"q", "k", "v"}) concat.parts.emplace_back().name = name;
  recipe.tensors[0].view = View{concat, {}};
  recipe.tensors[1].view = View{Transpose(), {}};
  recipe.tensors[2].view = View{TiedTo{"qkv"}, {}};
  recipe.tensors[2].init.reset();
  const auto plan = Resolve(recipe);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const v1::TensorPlan qkv = TensorPlanToProto(*plan, 0);
  EXPECT_EQ(qkv.layout(), "concat(dim=0, blocks=1)");
  EXPECT_EQ(qkv.part_count(), 3u);
  ASSERT_EQ(qkv.parts_size(), 3);
  EXPECT_EQ(qkv.draw_name(), "");
  EXPECT_FALSE(qkv.has_distribution());
  EXPECT_FALSE(qkv.has_fan_in());
  const v1::TensorPlan& k = qkv.parts(1);
  EXPECT_EQ(k.draw_name(), "k");
  EXPECT_EQ(k.subsequence(), SubsequenceOf("k"));
  EXPECT_EQ(std::vector<std::int64_t>(k.shape().begin(), k.shape().end()), (Shape{2, 4}));
  EXPECT_EQ(k.elements(), 8u);
  EXPECT_EQ(k.fan_out(), 2);
  EXPECT_EQ(k.distribution().kind(), v1::Distribution::NORMAL);
  // One draw is told as ever.
  const v1::TensorPlan t = TensorPlanToProto(*plan, 1);
  EXPECT_EQ(t.layout(), "transpose(1, 0)");
  EXPECT_EQ(t.draw_name(), "t");
  EXPECT_EQ(t.part_count(), 0u);
  const v1::TensorPlan tied = TensorPlanToProto(*plan, 2);
  EXPECT_EQ(tied.layout(), "tied_to(qkv)");
  EXPECT_EQ(tied.part_count(), 3u);
  EXPECT_EQ(plan->num_elements, 48);
}

TEST(Plans, NumbersAreExactInHexAsWell) {
  const v1::Distribution message = ToProto(Distribution(NormalWith{.mean = 0, .std = 0.1}));
  ASSERT_EQ(message.numbers_size(), 2);
  EXPECT_EQ(message.numbers(1).name(), "std");
  EXPECT_EQ(std::stod(message.numbers(1).hex()), 0.1);
}

Recipe RecipeWithGaps() {
  Recipe recipe;
  recipe.tensors = {Tensor("a", {2}, Zeros()), Tensor("b", {2}, Zeros()),
                    Tensor("c", {2}, Zeros())};
  recipe.tensors[1].init.reset();
  recipe.tensors[2].init.reset();
  Rule matches_c;
  matches_c.name_regex = "c";
  matches_c.init = Ones();
  Rule idle;
  idle.name_regex = "nothing";
  idle.init = Ones();
  recipe.rules = {matches_c, idle, matches_c};
  return recipe;
}

TEST(Plans, ReportGapsAsData) {
  const Recipe recipe = RecipeWithGaps();
  Recipe relaxed = recipe;
  relaxed.allow_uncovered = relaxed.allow_idle = true;
  const auto plan = Resolve(relaxed);
  ASSERT_TRUE(plan.ok()) << plan.status();

  v1::PlanReport report = PlanToProto(*plan, recipe)[0].report();
  EXPECT_FALSE(report.drawable());
  EXPECT_EQ(report.fingerprint(), "");
  EXPECT_EQ(report.tensor_count(), 2u);
  EXPECT_EQ(report.uncovered_count(), 1u);
  ASSERT_EQ(report.uncovered_size(), 1);
  EXPECT_EQ(report.uncovered(0), "b");
  ASSERT_GE(report.idle_rules_size(), 1);
  EXPECT_EQ(report.idle_rules(0).rule(), 1u);
  EXPECT_EQ(report.idle_rules(0).name_regex(), "nothing");
  EXPECT_FALSE(report.idle_rules(0).allowed());
  ASSERT_EQ(report.overlaps_size(), 1);
  EXPECT_EQ(report.overlaps(0).tensor(), "c");
  EXPECT_EQ(report.overlaps(0).rule(), 0u);

  report = PlanToProto(*plan, relaxed)[0].report();
  EXPECT_TRUE(report.drawable());
  EXPECT_EQ(report.fingerprint().size(), 32u);
}

TEST(Plans, MessagesKeepTheirSize) {
  constexpr std::size_t kMaxBytes = 2048;
  Recipe recipe;
  for (int i = 0; i < 300; ++i) {
    recipe.tensors.push_back(Tensor("layers." + std::to_string(i) + ".weight", {8, 8}, Normal()));
    if (i % 2 == 1) recipe.tensors.back().init.reset();
  }
  Recipe relaxed = recipe;
  relaxed.allow_uncovered = true;
  const auto plan = Resolve(relaxed);
  ASSERT_TRUE(plan.ok());
  int reports = 0, pages = 0, uncovered = 0;
  std::vector<std::string> names;
  for (const v1::PlanResponse& message : PlanToProto(*plan, recipe, kMaxBytes)) {
    EXPECT_LE(message.ByteSizeLong(), kMaxBytes);
    if (message.has_report()) {
      EXPECT_EQ(pages, 0) << "reports come first";
      ++reports;
      uncovered += message.report().uncovered_size();
    } else {
      ++pages;
      EXPECT_GT(message.page().tensors_size(), 0);
      for (const v1::TensorPlan& tensor : message.page().tensors()) names.push_back(tensor.name());
    }
  }
  EXPECT_GT(reports, 1);
  EXPECT_GT(pages, 1);
  EXPECT_EQ(uncovered, 150);
  ASSERT_EQ(names.size(), 150u);
  EXPECT_EQ(names[1], "layers.2.weight");
}

TEST(Plans, OfNothingAreOneReport) {
  const auto plan = Resolve(Recipe());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(PlanToProto(*plan, Recipe()).size(), 1u);
}

TEST(Headers, SpeakOfTheWholeSlice) {
  const auto plan = ResolveTensor(Tensor("w", {4, 6}, Normal()), 1);
  ASSERT_TRUE(plan.ok());
  Selection selection;
  selection.name = "w";
  selection.slice = Box{{Range{1, 2, std::nullopt}, Range{0, 3, 2}}};
  selection.dtype = DType::kFloat16;
  selection.first_byte = 2;
  const auto bound = Bind(*plan, selection, "");
  ASSERT_TRUE(bound.ok()) << bound.status();
  const v1::TensorHeader header = HeaderToProto(*plan, *bound);
  EXPECT_EQ(header.name(), "w");
  EXPECT_EQ(std::vector<std::int64_t>(header.shape().begin(), header.shape().end()), (Shape{2, 3}));
  EXPECT_EQ(header.dtype(), v1::FLOAT16);
  EXPECT_EQ(header.total_bytes(), 12u);
  EXPECT_EQ(header.plan().elements(), 24u);
  EXPECT_EQ(header.fingerprint().size(), 32u);
  EXPECT_EQ(header.server_version(), Version());
}

TEST(Summaries, ComeBackEqual) {
  const auto plan = ResolveTensor(Tensor("w", {4, 6}, Normal()), 1);
  ASSERT_TRUE(plan.ok());
  const BoundSelection bound = SelectAll(*plan)[0];
  Summary summary;
  summary.count = 24;
  summary.nan_count = 1;
  summary.inf_count = 2;
  summary.mean = 0.1;
  summary.std = 0.3;
  summary.skewness = -0.7;
  summary.excess_kurtosis = 0.9;
  summary.min = -3;
  summary.max = 4;
  summary.min_index = 5;
  summary.max_index = 6;
  summary.histogram_low = -6;
  summary.histogram_high = 6;
  summary.histogram = {1, 20};
  summary.first = {0.25, -0.5};
  const v1::SummarizeResponse message = SummaryToProto(*plan, bound, summary, 99);
  EXPECT_EQ(message.digest(), 99u);
  EXPECT_EQ(message.shape_size(), 2);
  const Summary back = SummaryFromProto(message);
  EXPECT_EQ(back.count, summary.count);
  EXPECT_EQ(back.nan_count, summary.nan_count);
  EXPECT_EQ(back.inf_count, summary.inf_count);
  EXPECT_EQ(back.mean, summary.mean);
  EXPECT_EQ(back.std, summary.std);
  EXPECT_EQ(back.skewness, summary.skewness);
  EXPECT_EQ(back.excess_kurtosis, summary.excess_kurtosis);
  EXPECT_EQ(back.min, summary.min);
  EXPECT_EQ(back.max, summary.max);
  EXPECT_EQ(back.min_index, summary.min_index);
  EXPECT_EQ(back.max_index, summary.max_index);
  EXPECT_EQ(back.histogram_low, summary.histogram_low);
  EXPECT_EQ(back.histogram_high, summary.histogram_high);
  EXPECT_EQ(back.histogram, summary.histogram);
  EXPECT_EQ(back.first, summary.first);
}

TEST(Capabilities, NameEveryMethodAndDType) {
  const v1::GetCapabilitiesResponse message = LibraryCapabilities();
  EXPECT_EQ(message.initializers_size(), v1::Initializer::descriptor()->field_count());
  EXPECT_EQ(message.dtypes_size(), static_cast<int>(AllDTypes().size()));
  ASSERT_EQ(message.generators_size(), 3);
  EXPECT_EQ(message.generators(0).name(), "philox_v1");
  EXPECT_EQ(message.generators(1).name(), "torch_cpu");
  EXPECT_EQ(message.generators(2).name(), "jax_threefry");
  EXPECT_THAT(message.views(),
              testing::ElementsAre("concat", "stack", "transpose", "tied_to", "zero_rows"));
}

}  // namespace
}  // namespace weightinit::proto
