// Names, rules and expansion.
#include "weightinit/recipe.h"

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::Bare;
using test::FailsWith;
using test::IsInvalid;
using test::MustResolve;
using test::RuleOf;
using test::Spec;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kFailedPrecondition = absl::StatusCode::kFailedPrecondition;
constexpr auto kNotFound = absl::StatusCode::kNotFound;

// Names.
// ----------------------------------------------------------------------------

TEST(CanonicalNameTest, LosesWrapperSegmentsAtAnyLevel) {
  EXPECT_EQ(CanonicalName("_orig_mod.fc1.weight"), "fc1.weight");
  EXPECT_EQ(CanonicalName("layers.0._checkpoint_wrapped_module.attn.weight"),
            "layers.0.attn.weight");
  EXPECT_EQ(CanonicalName("_fsdp_wrapped_module._orig_mod.a._orig_mod.b"), "a.b");
  EXPECT_EQ(CanonicalName("a._orig_mod"), "a");
}

TEST(CanonicalNameTest, LosesOneLeadingModule) {
  EXPECT_EQ(CanonicalName("module.fc1.weight"), "fc1.weight");
  EXPECT_EQ(CanonicalName("module.module.fc1.weight"), "module.fc1.weight");
  EXPECT_EQ(CanonicalName("_orig_mod.module.fc1.weight"), "fc1.weight");
  EXPECT_EQ(CanonicalName("a.module.b"), "a.module.b");
  EXPECT_EQ(CanonicalName("module"), "module");
}

TEST(CanonicalNameTest, KeepsEverythingElse) {
  for (const char* name : {"", "weight", "x_orig_mod.y", "a..b", ".", "модель.вес", "a b"}) {
    EXPECT_EQ(CanonicalName(name), name);
  }
}

Recipe TwoLayers() {
  Recipe recipe;
  recipe.seed = 3;
  recipe.tensors = {Spec("layers.0.fc.weight", {4, 8}, Normal{}),
                    Spec("layers.1.fc.weight", {4, 8}, Normal{})};
  return recipe;
}

TEST(FindTensorTest, AsksByCanonicalName) {
  const ModelPlan plan = MustResolve(TwoLayers());
  ASSERT_OK(FindTensor(plan, "module._orig_mod.layers.1.fc.weight", "name"));
  EXPECT_EQ(*FindTensor(plan, "module._orig_mod.layers.1.fc.weight", "name"), 1);
}

TEST(FindTensorTest, RenamesApplyInOrderAndOnlyWhereTheyMatchWhole) {
  Recipe recipe = TwoLayers();
  recipe.renames = {{"model\\.(.*)", "\\1"}, {"h\\.(\\d+)\\.(.*)", "layers.\\1.\\2"}};
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(*FindTensor(plan, "model.h.1.fc.weight", "name"), 1);
  EXPECT_EQ(*FindTensor(plan, "h.0.fc.weight", "name"), 0);
  EXPECT_EQ(*FindTensor(plan, "layers.0.fc.weight", "name"), 0);
  EXPECT_THAT(FindTensor(plan, "xmodel.layers.0.fc.weight", "name"),
              FailsWith(kNotFound, "name", ""));
}

TEST(FindTensorTest, AMissListsTheNearestNames) {
  const ModelPlan plan = MustResolve(TwoLayers());
  EXPECT_THAT(FindTensor(plan, "layers.1.fc.wieght", "selections[0].name"),
              FailsWith(kNotFound, "selections[0].name", "nearest: \"layers.1.fc.weight\""));
  EXPECT_THAT(FindTensor(plan, "\xff", "name"), IsInvalid("name", "UTF-8"));
}

TEST(FindTensorTest, BadRenamesAreRefused) {
  Recipe recipe = TwoLayers();
  recipe.renames = {{"(", ""}};
  EXPECT_THAT(Resolve(recipe), IsInvalid("renames[0].name_regex", "RE2"));
  recipe.renames = {{"a", "b"}, {"(a)", "\\2"}};
  EXPECT_THAT(Resolve(recipe), IsInvalid("renames[1].rewrite"));
}

// Rules.
// ----------------------------------------------------------------------------

Recipe Ruled(std::vector<TensorSpec> tensors, std::vector<Rule> rules) {
  Recipe recipe;
  recipe.tensors = std::move(tensors);
  recipe.rules = std::move(rules);
  return recipe;
}

Expansion MustExpand(const Recipe& recipe) {
  auto expansion = Expand(recipe);
  EXPECT_THAT(expansion, test::IsOk());
  return expansion.ok() ? *std::move(expansion) : Expansion{};
}

TEST(RulesTest, TheFirstMatchWinsAndOverlapsAreReported) {
  const Expansion e = MustExpand(
      Ruled({Bare("a.weight", {2, 2}), Bare("a.bias", {2})},
            {RuleOf(".*bias", Zeros{}), RuleOf("a\\..*", Ones{}), RuleOf(".*", Normal{})}));
  EXPECT_EQ(e.recipe.tensors[0].init, Initializer(Ones{}));
  EXPECT_EQ(e.recipe.tensors[1].init, Initializer(Zeros{}));
  EXPECT_EQ(e.coverage.rule_of_tensor, (std::vector<std::optional<int>>{1, 0}));
  ASSERT_EQ(e.coverage.overlaps.size(), 2u);
  EXPECT_EQ(e.coverage.overlaps[0].tensor, 0);
  EXPECT_EQ(e.coverage.overlaps[0].winner, 1);
  EXPECT_THAT(e.coverage.overlaps[0].others, ElementsAre(2));
  EXPECT_EQ(e.coverage.overlaps[1].winner, 0);
  EXPECT_THAT(e.coverage.overlaps[1].others, ElementsAre(1, 2));
  EXPECT_THAT(e.coverage.idle_rules, IsEmpty());
}

TEST(RulesTest, OverlapsListAHandfulOfRulesAndCountTheRest) {
  const std::vector<Rule> rules(30, RuleOf(".*", Zeros{}));
  const Expansion e = MustExpand(Ruled({Bare("a", {2})}, rules));
  ASSERT_EQ(e.coverage.overlaps.size(), 1u);
  EXPECT_THAT(e.coverage.overlaps[0].others, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(e.coverage.overlaps[0].other_count, 29);
  EXPECT_THAT(e.coverage.idle_rules, IsEmpty());
}

TEST(RulesTest, MatchingCanBeCancelled) {
  const std::vector<Rule> rules(30, RuleOf(".*", Zeros{}));
  int asked = 0;
  EXPECT_EQ(Expand(Ruled({Bare("a", {2})}, rules), [&] { return ++asked == 3; }).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(asked, 3);
}

TEST(RulesTest, ARegexMustMatchTheWholeCanonicalName) {
  const auto status = Expand(Ruled({Bare("a.weight", {2})}, {RuleOf("weight", Zeros{})})).status();
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(FieldViolations(status).size(), 2u) << "uncovered, and the rule is idle";
  EXPECT_OK(Expand(Ruled({Bare("module.weight", {2})}, {RuleOf("weight", Zeros{})})));
}

TEST(RulesTest, AModuleMustBeEqualAndBothMustHold) {
  Rule by_module;
  by_module.module = "Conv2d";
  by_module.init = Ones{};
  Rule both = RuleOf("a.*", Zeros{});
  both.module = "Linear";
  const Expansion e = MustExpand(
      Ruled({Bare("a.w", {2, 2}, "Conv2d"), Bare("a.v", {2, 2}, "Linear"), Bare("b", {2, 2}, "L")},
            {by_module, both, RuleOf(".*", Normal{})}));
  EXPECT_EQ(e.recipe.tensors[0].init, Initializer(Ones{}));
  EXPECT_EQ(e.recipe.tensors[1].init, Initializer(Zeros{}));
  EXPECT_EQ(e.recipe.tensors[2].init, Initializer(Normal{}));
}

TEST(RulesTest, ATensorsOwnInitWinsAndUsesNoRule) {
  const Recipe recipe = Ruled({Spec("a", {2}, Ones{}), Bare("b", {2})}, {RuleOf("b", Zeros{})});
  const Expansion e = MustExpand(recipe);
  EXPECT_EQ(e.recipe.tensors[0].init, Initializer(Ones{}));
  EXPECT_EQ(e.coverage.rule_of_tensor[0], std::nullopt);
  Recipe idle = recipe;
  idle.rules[0].name_regex = "a";
  EXPECT_FALSE(Expand(idle).ok()) << "a rule that matches only tensors with an init is idle";
}

TEST(RulesTest, EveryTensorMustBeCovered) {
  EXPECT_THAT(Expand(Ruled({Bare("a", {2}), Bare("b", {2}, "Norm")}, {RuleOf("a", Zeros{})})),
              FailsWith(kFailedPrecondition, "tensors[1]",
                        "\"b\" has no init and no rule matches "
                        "it (module \"Norm\")"));
  EXPECT_THAT(Expand(Ruled({Bare("a", {2})}, {})),
              FailsWith(kFailedPrecondition, "tensors[0]", "there are no rules"));
}

TEST(RulesTest, EveryRuleMustMatchSomething) {
  EXPECT_THAT(Expand(Ruled({Bare("a", {2})}, {RuleOf("a", Zeros{}), RuleOf("b", Zeros{})})),
              FailsWith(kFailedPrecondition, "rules[1]", "name_regex \"b\" matches no tensor"));
}

TEST(RulesTest, SeveralOffendersAreListedTogetherWithTheirCount) {
  std::vector<TensorSpec> tensors;
  for (int i = 0; i < 30; ++i) tensors.push_back(Bare(std::to_string(i), {2}));
  const auto status = Expand(Ruled(tensors, {RuleOf("none", Zeros{})})).status();
  EXPECT_EQ(status.code(), kFailedPrecondition);
  EXPECT_EQ(FieldViolations(status).size(), 20u);
  EXPECT_EQ(FieldViolations(status)[19].field, "tensors[19]");
  EXPECT_THAT(std::string(status.message()), HasSubstr("and 11 more"));
}

TEST(RulesTest, CoverageMayBeRelaxed) {
  Recipe recipe = Ruled({Bare("a", {2}), Bare("b", {2})}, {RuleOf("a", Zeros{})});
  recipe.allow_uncovered = true;
  const Expansion uncovered = MustExpand(recipe);
  EXPECT_THAT(uncovered.coverage.uncovered, ElementsAre(1));
  EXPECT_THAT(uncovered.origin, ElementsAre(0));
  EXPECT_EQ(uncovered.recipe.tensors.size(), 1u);

  recipe = Ruled({Bare("a", {2})}, {RuleOf("a", Zeros{}), RuleOf("b", Zeros{})});
  recipe.allow_idle = true;
  EXPECT_THAT(MustExpand(recipe).coverage.idle_rules, ElementsAre(1));
  recipe.allow_idle = false;
  recipe.rules[1].may_be_idle = true;
  EXPECT_THAT(MustExpand(recipe).coverage.idle_rules, ElementsAre(1));
}

TEST(RulesTest, ASkippedTensorIsCoveredAndLeftOut) {
  Rule skip = RuleOf("rope\\..*", std::nullopt);
  skip.skip = true;
  const Expansion e =
      MustExpand(Ruled({Bare("rope.freqs", {2}), Bare("w", {2})}, {skip, RuleOf("w", Zeros{})}));
  EXPECT_THAT(e.coverage.skipped, ElementsAre(0));
  EXPECT_THAT(e.coverage.uncovered, IsEmpty());
  EXPECT_THAT(e.origin, ElementsAre(1));
  EXPECT_EQ(e.recipe.tensors[0].name, "w");
}

TEST(RulesTest, SeedsComeFromTheTensorThenTheRuleThenTheRecipe) {
  Recipe recipe = Ruled({Bare("a", {2}), Bare("b", {2}), Bare("c", {2})},
                        {RuleOf("[ab]", Normal{}), RuleOf("c", Normal{})});
  recipe.seed = 1;
  recipe.rules[0].seed = 2;
  recipe.tensors[0].seed = 3;
  const Expansion e = MustExpand(recipe);
  EXPECT_EQ(e.recipe.tensors[0].seed, 3u);
  EXPECT_EQ(e.recipe.tensors[1].seed, 2u);
  EXPECT_EQ(e.recipe.tensors[2].seed, 1u);
}

TEST(RulesTest, DTypesComeFromTheTensorThenTheRecipe) {
  Recipe recipe =
      Ruled({Spec("a", {2}, Zeros{}, DType::kInt32), Bare("b", {2})}, {RuleOf("b", Zeros{})});
  recipe.default_dtype = DType::kBFloat16;
  const Expansion e = MustExpand(recipe);
  EXPECT_EQ(e.recipe.tensors[0].dtype, DType::kInt32);
  EXPECT_EQ(e.recipe.tensors[1].dtype, DType::kBFloat16);
}

TEST(RulesTest, FansOfGivesABiasTheFansOfItsWeight) {
  Recipe recipe = Ruled({Bare("fc.weight", {16, 100}), Bare("fc.bias", {16})},
                        {RuleOf(".*weight", KaimingUniform{}), RuleOf(".*bias", LecunUniform{})});
  recipe.rules[1].fan = FanGeometry{.fans_of = "weight"};
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(plan.tensors[1].fans, (Fans{100, 16}));
}

TEST(RulesTest, FansOfFollowsTheSiblingsOwnGeometry) {
  Recipe recipe = Ruled({Bare("c.weight", {16, 4, 3, 3}), Bare("c.bias", {16})},
                        {RuleOf(".*weight", KaimingUniform{}), RuleOf(".*bias", LecunUniform{})});
  recipe.rules[0].fan = FanGeometry{.groups = 4};
  recipe.tensors[1].fan = FanGeometry{.fans_of = "weight"};
  EXPECT_EQ(MustResolve(recipe).tensors[1].fans, (Fans{36, 36}));
}

TEST(RulesTest, FansOfASiblingThatGivesOnlyTheFanInIsEnoughForIt) {
  Recipe recipe;
  recipe.tensors = {Spec("c.weight", {16}, LecunUniform{}), Spec("c.bias", {16}, LecunUniform{})};
  recipe.tensors[0].fan = FanGeometry{.fan_in = 36.0};
  recipe.tensors[1].fan = FanGeometry{.fans_of = "weight"};
  EXPECT_EQ(MustResolve(recipe).tensors[1].fans, (Fans{36, 0}));
}

TEST(RulesTest, FansOfNeedsASiblingWithFansOfItsOwn) {
  Recipe recipe = Ruled({Bare("fc.bias", {16})}, {RuleOf(".*", LecunUniform{})});
  recipe.rules[0].fan = FanGeometry{.fans_of = "weight"};
  EXPECT_THAT(Expand(recipe), IsInvalid("rules[0].fan.fans_of", "no sibling \"fc.weight\""));
  recipe.tensors[0].fan = FanGeometry{.fans_of = "bias"};
  EXPECT_THAT(Expand(recipe), IsInvalid("tensors[0].fan.fans_of", "another tensor's too"));
  recipe.tensors[0].fan = FanGeometry{.groups = 1, .fans_of = "weight"};
  EXPECT_THAT(Expand(recipe), IsInvalid("tensors[0].fan.fans_of", "one way"));
}

TEST(RulesTest, FansOfATopLevelTensorMeansATopLevelSibling) {
  Recipe recipe;
  recipe.tensors = {Spec("weight", {3, 5}, Zeros{}), Spec("bias", {3}, LecunUniform{})};
  recipe.tensors[1].fan = FanGeometry{.fans_of = "weight"};
  EXPECT_EQ(MustResolve(recipe).tensors[1].fans, (Fans{5, 3}));
}

TEST(RulesTest, ABadFanGeometryOfARuleIsNamedAtTheRule) {
  Recipe recipe = Ruled({Bare("a", {6, 2})}, {RuleOf("a", KaimingUniform{})});
  recipe.rules[0].fan = FanGeometry{.groups = 4};
  EXPECT_THAT(Resolve(recipe), IsInvalid("rules[0].fan.groups"));
  recipe.tensors[0].fan = FanGeometry{.groups = 5};
  EXPECT_THAT(Resolve(recipe), IsInvalid("tensors[0].fan.groups"));
}

TEST(RulesTest, ARegexOfAnySizeGivesAShortError) {
  std::string regex(100'000, 'a');
  regex.front() = '(';
  const Recipe recipe = Ruled({Bare("a", {2})}, {RuleOf(regex, Zeros{})});
  const auto status = Expand(recipe).status();
  EXPECT_THAT(status, IsInvalid("rules[0].name_regex", "not a usable RE2 expression"));
  EXPECT_LT(status.message().size(), 1024u);
}

TEST(RulesTest, ARegexThatNeedsTooMuchMemoryIsRefused) {
  EXPECT_THAT(Expand(Ruled({Bare("a", {2})}, {RuleOf("((a{100}){100}){100}", Zeros{})})),
              IsInvalid("rules[0].name_regex"));
}

TEST(RulesTest, NestedRepeatsMatchInLinearTime) {
  const Recipe recipe =
      Ruled({Bare(std::string(50'000, 'a'), {2})}, {RuleOf("(a*)*b|(a|a)*", Zeros{})});
  EXPECT_OK(Expand(recipe));  // backtracking would take longer than the age of the universe
}

TEST(RulesTest, AnIdleRuleSaysWhatItNearlyMatches) {
  const Recipe near = Ruled(
      {Bare("h.0.mlp.c_fc.weight", {2}, "Linear"), Bare("h.11.mlp.c_fc.weight", {2}, "Linear"),
       Bare("h.0.attn.weight", {2}, "Conv1D"), Spec("own", {2}, Zeros{})},
      {RuleOf("h\\..*", Zeros{}),
       RuleOf("h\\.(?P<layer>[0-9]+)\\.mpl\\.c_fc\\.(weight|bias)", Zeros{}),
       RuleOf("own", Zeros{}), RuleOf("completely_different", Zeros{}), RuleOf("zzz", Zeros{})});
  Recipe recipe = near;
  recipe.allow_idle = true;
  recipe.rules[4].may_be_idle = true;
  recipe.rules.emplace_back().module = "linear";
  recipe.rules.back().init = Zeros{};
  recipe.rules.push_back(RuleOf("h\\.0\\.attn\\.weight", Zeros{}));
  recipe.rules.back().module = "Linear";
  const Expansion e = MustExpand(recipe);
  EXPECT_THAT(e.coverage.idle_rules, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(
      e.coverage.idle_hints,
      ElementsAre(HasSubstr("nearest names: \"h.0.mlp.c_fc.weight\""),
                  "\"own\" has an init or a tie of its own", "", "", "nearest modules: \"Linear\"",
                  "\"h.0.attn.weight\" has the module \"Conv1D\""));
  // What is allowed is a warning of the plan.
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(plan.warnings.size(), 4u);
  EXPECT_THAT(plan.warnings[0], HasSubstr("rules[1] matches no tensor: nearest names"));
}

TEST(RulesTest, NearNamesOfUsualMistakes) {
  const std::vector<TensorSpec> tensors = {
      Spec("model.embed_tokens.weight", {2}, Zeros{}),
      Spec("model.layers.0.self_attn.v_proj.bias", {2}, Zeros{}),
      Spec("model.layers.0.self_attn.v_proj.weight", {2}, Zeros{}),
      Spec("model.layers.1.mlp.up_proj.weight", {2}, Zeros{})};
  const std::pair<const char*, const char*> mistakes[] = {
      {R"(.*v_porj\.weight)", R"(nearest names: "model.layers.0.self_attn.v_proj.weight")"},
      {R"(.*wieght)", "nearest names: \"model."},
      {R"(model\.layer\.\d+\..*)", "nearest names: \"model.layers.0."},
      {R"((.*\.)?layers\.\d+\.mlp\.(up|down)_prj\.weight)",
       R"(nearest names: "model.layers.1.mlp.up_proj.weight")"},
      {R"((?i)(.*\.)?LAYER\.\d+\.self_attn\.(?:(?P<which>v_(pr|x)oj|b)|o_proj)\.weight)",
       R"(nearest names: "model.layers.0.self_attn.v_proj.weight")"},
      {R"(.*up_proj)", R"(found in "model.layers.1.mlp.up_proj.weight", but matches whole names)"},
      {R"(v_proj\.weight)", R"(found in "model.layers.0.self_attn.v_proj.weight")"}};
  for (const auto& [regex, hint] : mistakes) {
    Recipe recipe = Ruled(tensors, {RuleOf(regex, Zeros{})});
    recipe.allow_idle = true;
    EXPECT_THAT(MustExpand(recipe).coverage.idle_hints, ElementsAre(HasSubstr(hint))) << regex;
  }
}

TEST(RulesTest, ManyRulesMatchAsEachWouldAlone) {
  // More than one batch, with and without regexes and modules.
  Recipe recipe;
  recipe.allow_uncovered = recipe.allow_idle = true;
  for (int i = 0; i < 300; ++i)
    recipe.tensors.push_back(
        Bare("l." + std::to_string(i) + ".w", {2}, i % 3 == 0 ? "Linear" : "Conv2d"));
  for (int k = 0; k < 700; ++k) {
    Rule rule = RuleOf("l\\.\\d*" + std::to_string(k % 350) + "\\.w", Zeros{});
    if (k % 5 == 0) rule.module = "Linear";
    if (k % 97 == 0) rule.name_regex.reset(), rule.module = "Conv3d";
    recipe.rules.push_back(rule);
  }
  const Expansion e = MustExpand(recipe);
  for (std::size_t i = 0; i < recipe.tensors.size(); ++i) {
    std::optional<int> first;
    std::int64_t others = 0;
    for (std::size_t k = 0; k < recipe.rules.size(); ++k) {
      const Rule& rule = recipe.rules[k];
      if (!rule.name_regex.has_value()) continue;
      if (rule.module.has_value() && *rule.module != recipe.tensors[i].module) continue;
      const std::string ending = std::to_string(k % 350) + ".w";
      if (!std::string_view(recipe.tensors[i].name).ends_with(ending)) continue;
      if (first.has_value()) {
        ++others;
      } else {
        first = static_cast<int>(k);
      }
    }
    ASSERT_EQ(e.coverage.rule_of_tensor[i], first) << i;
    const auto overlap =
        std::find_if(e.coverage.overlaps.begin(), e.coverage.overlaps.end(),
                     [&](const Coverage::Overlap& o) { return o.tensor == static_cast<int>(i); });
    ASSERT_EQ(overlap == e.coverage.overlaps.end() ? 0 : overlap->other_count, others) << i;
  }
}

TEST(RulesTest, ModuleTypesSayHowFansAreRead) {
  struct Case {
    const char* module;
    Shape shape;
    Fans fans;
  };
  const Case cases[] = {{"Linear", {3, 5}, {5, 3}},
                        {"torch.nn.Linear", {3, 5}, {5, 3}},
                        {"Dense", {3, 5}, {3, 5}},
                        {"keras.layers.Dense", {3, 5}, {3, 5}},
                        {"Conv1D", {3, 5}, {3, 5}},      // GPT-2's
                        {"Conv1D", {2, 3, 5}, {6, 10}},  // Keras'
                        {"Conv2D", {7, 2, 3, 5}, {42, 70}},
                        {"Conv", {7, 2, 3, 5}, {42, 70}},
                        {"ConvTranspose", {7, 2, 3, 5}, {42, 70}},
                        {"Conv2DTranspose", {7, 2, 3, 5}, {70, 42}},
                        {"Conv2d", {3, 5, 7, 2}, {70, 42}},
                        {"ConvTranspose2d", {3, 5, 7, 2}, {70, 42}},  // torch's own
                        {"Embedding", {100, 8}, {8, 100}},
                        {"Embed", {100, 8}, {8, 100}},
                        {"LSTM", {16, 5}, {5, 16}},
                        {"SomethingElse", {3, 5}, {5, 3}}};
  for (const Case& c : cases) {
    const ModelPlan plan = MustResolve(
        Ruled({Bare("m.weight_ih_l0", c.shape, c.module)}, {RuleOf(".*", XavierNormal{})}));
    EXPECT_EQ(plan.tensors[0].fans, c.fans) << c.module;
  }
  // What the tensor or the rule says goes first.
  Recipe recipe = Ruled({Bare("a", {3, 5}, "Dense"), Bare("b", {3, 5}, "Dense")},
                        {RuleOf("a", XavierNormal{}), RuleOf("b", XavierNormal{})});
  recipe.tensors[0].fan = FanGeometry{.layout = FanLayout::kOutIn};
  recipe.rules[1].fan = FanGeometry{.fan_in = 7, .fan_out = 8};
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(plan.tensors[0].fans, (Fans{5, 3}));
  EXPECT_EQ(plan.tensors[1].fans, (Fans{7, 8}));
  EXPECT_TRUE(plan.tensors[0].notes.empty());
  // Where the module alone said it, the plan does too.
  recipe.tensors[0].fan.reset();
  EXPECT_THAT(MustResolve(recipe).tensors[0].notes,
              ElementsAre("fans are read as Dense holds its weights: IN_OUT"));
}

TEST(RulesTest, PackedMatricesOfTorchWarnWhereFanOutMatters) {
  const auto warnings = [](const char* module, const char* name, const Initializer& init) {
    return MustResolve(Ruled({Bare(name, {12, 4}, module)}, {RuleOf(".*", init)}))
        .tensors[0]
        .warnings.size();
  };
  EXPECT_EQ(warnings("LSTM", "rnn.weight_hh_l0", XavierNormal{}), 1u);
  EXPECT_EQ(warnings("LSTM", "rnn.weight_hh_l0", LecunNormal{}), 0u);
  EXPECT_EQ(warnings("MultiheadAttention", "attn.in_proj_weight", XavierUniform{}), 1u);
  EXPECT_EQ(warnings("MultiheadAttention", "attn.q_proj_weight", XavierUniform{}), 0u);
  EXPECT_EQ(warnings("Linear", "in_proj_weight", XavierUniform{}), 0u);
}

TEST(ExpandTest, TwoTensorsOfOneCanonicalNameAreRefused) {
  Recipe recipe;
  recipe.tensors = {Spec("a", {2}, Zeros{}), Spec("b", {2}, Zeros{}),
                    Spec("module._orig_mod.a", {2}, Zeros{})};
  EXPECT_THAT(Expand(recipe), IsInvalid("tensors[2].name", "the same tensor as tensors[0]"));
}

TEST(ExpandTest, TheResultIsRuleFreeAndResolvesToTheSameFingerprint) {
  Recipe recipe = Ruled({Bare("module.fc.weight", {16, 100}, "Linear"), Bare("fc.bias", {16}),
                         Bare("norm.weight", {16}, "Norm"), Bare("skipped", {3}),
                         Spec("own", {2, 2}, Orthogonal{}, DType::kFloat64)},
                        {RuleOf(".*bias", LecunUniform{}), RuleOf("skipped", std::nullopt),
                         RuleOf(".*", KaimingUniform{})});
  recipe.rules[0].fan = FanGeometry{.fans_of = "weight"};
  recipe.rules[0].seed = 77;
  recipe.rules[1].skip = true;
  recipe.tensors[2].init = Ones{};
  recipe.seed = 5;
  recipe.default_dtype = DType::kFloat16;
  recipe.renames = {{"model\\.(.*)", "\\1"}};
  const Expansion e = MustExpand(recipe);
  EXPECT_THAT(e.recipe.rules, IsEmpty());
  EXPECT_THAT(e.origin, ElementsAre(0, 1, 2, 4));
  const ModelPlan from_rules = MustResolve(recipe), from_specs = MustResolve(e.recipe);
  EXPECT_EQ(CanonicalText(from_rules), CanonicalText(from_specs));
  EXPECT_EQ(from_rules.fingerprint, from_specs.fingerprint);
  EXPECT_EQ(*FindTensor(from_specs, "model.fc.bias", ""), 1);
  const Expansion again = MustExpand(e.recipe);
  EXPECT_EQ(again.recipe, e.recipe);
}

TEST(ExpandTest, DrawsHaveAnOrderWithTorchAlone) {
  Recipe recipe = TwoLayers();
  recipe.draws.emplace_back();
  EXPECT_THAT(Expand(recipe), IsInvalid("draws", "philox_v1"));
  recipe.generator = JaxThreefry{};
  EXPECT_THAT(Expand(recipe), IsInvalid("draws", "jax_threefry"));
}

TEST(GeneratorTest, NamesReadBack) {
  for (const Generator& generator :
       {Generator(PhiloxV1{}), Generator(TorchCpu{}), Generator(JaxThreefry{})}) {
    ASSERT_OK(ParseGenerator(Name(generator)));
    EXPECT_EQ(*ParseGenerator(Name(generator)), generator);
  }
  EXPECT_EQ(*ParseGenerator("PHILOX_V1"), Generator(PhiloxV1{}));
  TorchCpu torch;
  torch.variant = TorchCpu::Variant::kDefault;
  torch.torch_version = "1.13";
  EXPECT_EQ(*ParseGenerator("Torch_CPU( variant=default , torch_version=1.13 )"), Generator(torch));
  EXPECT_EQ(*ParseGenerator("torch_cpu()"), Generator(TorchCpu{}));
  EXPECT_EQ(*ParseTorchVariant("fused", "v"), TorchCpu::Variant::kAvx2);
  EXPECT_EQ(*ParseTorchVariant("unfused", "v"), TorchCpu::Variant::kAvx2NoFma);
  EXPECT_EQ(*ParseTorchVariant("default_capability", "v"), TorchCpu::Variant::kDefault);
  EXPECT_EQ(*ParseTorchVersion("2.1.0+cpu", "v"), (TorchVersion{2, 1}));
  EXPECT_EQ(*ParseTorchVersion("1.13.1", "v"), (TorchVersion{1, 13}));
  EXPECT_THAT(ParseTorchVersion("2.1x", "v"), IsInvalid("v", "2.13"));
  EXPECT_THAT(ParseGenerator("torch_cpu(variant=SSE)", "g"), IsInvalid("g.variant", "AVX2_NOFMA"));
  EXPECT_THAT(ParseGenerator("torch_cpu(torch_version=3.0)", "g"),
              IsInvalid("g.torch_version", "2.13"));
  EXPECT_THAT(ParseGenerator("torch_cpu(seed=1)", "g"), IsInvalid("g", "no parameter"));
  EXPECT_THAT(ParseGenerator("torch_cpu(variant=AVX2", "g"), IsInvalid("g", "parenthesis"));
  EXPECT_THAT(ParseGenerator("philox_v1(a=1)", "g"), IsInvalid("g", "no parameters"));
  JaxThreefry jax;
  jax.layout = JaxThreefry::Layout::kLegacy;
  jax.fold_in = {3, 4294967295};
  EXPECT_EQ(*ParseGenerator("jax_threefry(layout=legacy, fold_in=3, fold_in=4294967295)"),
            Generator(jax));
  EXPECT_THAT(ParseGenerator("jax_threefry(layout=old)", "g"),
              IsInvalid("g.layout", "PARTITIONABLE, LEGACY"));
  EXPECT_THAT(ParseGenerator("jax_threefry(fold_in=4294967296)", "g"),
              IsInvalid("g.fold_in", "2^32 - 1"));
  EXPECT_THAT(ParseGenerator("jax_threefry(variant=AVX2)", "g"), IsInvalid("g", "no parameter"));
  EXPECT_THAT(ParseGenerator("mt19937", "g"), IsInvalid("g", "allowed: philox_v1"));
}

}  // namespace
}  // namespace weightinit
