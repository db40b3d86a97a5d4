// Models replayed from torch: what torch 1.13 drew (tests/golden/torch_1_13.json), parts, order,
// refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/sha256.h"
#include "lib/base/text.h"
#include "lib/source/torch_cpu/generator.h"
#include "tests/unit/lib/slices.h"
#include "tests/unit/lib/testing.h"

namespace weightinit::test {
namespace {

using nlohmann::json;
using Variant = TorchCpu::Variant;
using ::testing::HasSubstr;

TorchCpu Torch(std::string version = "1.13", Variant variant = Variant::kAvx2) {
  TorchCpu torch;
  torch.variant = variant;
  torch.torch_version = std::move(version);
  return torch;
}

std::string HashOf(const std::vector<std::byte>& bytes) {
  return ToHex(Sha256({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
}

std::vector<std::byte> BytesOfTensor(const ModelPlan& plan, std::string_view name) {
  const auto bound = Bind(plan, {.name = std::string(name)}, "selection");
  EXPECT_OK(bound);
  return bound.ok() ? BytesOf(EngineOf(1), plan, *bound) : std::vector<std::byte>();
}

json Cases() {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/tests/golden/torch_1_13.json");
  return json::parse(file).at("cases");
}

std::uint64_t SeedOf(const json& one) {
  return one.at("seed").is_number_unsigned()
             ? one.at("seed").get<std::uint64_t>()
             : static_cast<std::uint64_t>(one.at("seed").get<std::int64_t>());
}

// The initializer that a case's call is in a recipe.
std::optional<Initializer> InitOf(const json& one) {
  const std::string call = one.at("call");
  const json params = one.value("params", json::object());
  const auto kaiming = [&](auto init) {
    init.mode = params.at("mode") == "fan_in" ? FanMode::kFanIn : FanMode::kFanOut;
    init.nonlinearity =
        params.at("nonlinearity") == "relu" ? Nonlinearity::kRelu : Nonlinearity::kLeakyRelu;
    if (init.nonlinearity == Nonlinearity::kLeakyRelu) init.negative_slope = params.at("a");
    return Initializer(init);
  };
  if (call == "uniform_") return Uniform{.low = params.at("from"), .high = params.at("to")};
  if (call == "normal_" && !params.contains("memory_format"))
    return Normal{.mean = params.at("mean"), .std = params.at("std")};
  if (call == "trunc_normal_") {
    TruncatedNormal init;
    init.mean = params.at("mean");
    init.std = params.at("std");
    init.low = params.at("a");
    init.high = params.at("b");
    init.bounds = TruncationBounds::kAbsolute;
    return init;
  }
  if (call == "kaiming_uniform_") return kaiming(KaimingUniform{});
  if (call == "kaiming_normal_") return kaiming(KaimingNormal{});
  if (call == "xavier_uniform_" || call == "xavier_normal_") {
    XavierUniform uniform;
    XavierNormal normal;
    uniform.gain = normal.gain = params.at("gain").get<double>();
    return call == "xavier_uniform_" ? Initializer(uniform) : Initializer(normal);
  }
  if (call == "sparse_")
    return Sparse{.sparsity = params.at("sparsity").get<double>(), .std = params.at("std")};
  if (call == "eye_") return Eye{};
  if (call == "dirac_") return Dirac{.groups = params.at("groups")};
  if (call == "constant_") return Constant{.value = params.at("val").get<double>()};
  if (call.starts_with("nn.Embedding")) return Normal{};
  return std::nullopt;
}

class Golden : public ::testing::TestWithParam<Variant> {
 protected:
  const json& Of(const json& one) const {
    return GetParam() == Variant::kDefault && one.contains("default_capability")
               ? one.at("default_capability")
               : one;
  }
};

TEST_P(Golden, Tensors) {
  int tested = 0;
  for (const json& one : Cases()) {
    const auto init = InitOf(one);
    if (!init.has_value()) continue;
    TensorSpec spec = Spec("w", one.at("shape").get<Shape>(), *init,
                           *ParseDType(one.at("dtype").get<std::string>()));
    // torch zeroes the row of padding_idx after it was drawn.
    if (one.at("call").get<std::string>().starts_with("nn.Embedding"))
      spec.view = OptionalView(View{{}, {Range{.start = 4, .size = 1}}});
    const auto plan = ResolveTensor(spec, SeedOf(one), Torch("1.13", GetParam()));
    ASSERT_OK(plan);
    EXPECT_EQ(HashOf(BytesOfTensor(*plan, "w")), Of(one).at("sha256").get<std::string>())
        << one.at("id") << " " << one.at("call");
    ++tested;
  }
  EXPECT_EQ(tested, 69);
}

TEST_P(Golden, OrthogonalWithinATolerance) {
  for (const json& one : Cases()) {
    if (one.at("call") != "orthogonal_") continue;
    const auto plan = ResolveTensor(
        Spec("w", one.at("shape").get<Shape>(), Orthogonal{.gain = one.at("params").at("gain")}),
        SeedOf(one), Torch("1.13", GetParam()));
    ASSERT_OK(plan);
    EXPECT_THAT(plan->tensors[0].notes, ::testing::Contains(HasSubstr("approximate: ")));
    const auto values = ValuesOf<float>(BytesOfTensor(*plan, "w"));
    const auto& expected = Of(one).at("first8_bits");
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const auto bits =
          static_cast<std::uint32_t>(std::stoul(expected[i].get<std::string>(), nullptr, 16));
      EXPECT_NEAR(values[i], std::bit_cast<float>(bits), 1e-6) << i;
    }
  }
}

Recipe ArticleNet(Variant variant) {
  Recipe recipe;
  recipe.generator = Torch("1.13", variant);
  recipe.tensors = {
      Bare("conv1.weight", {6, 3, 5, 5}, "Conv2d"),  Bare("conv1.bias", {6}, "Conv2d"),
      Bare("conv2.weight", {16, 6, 5, 5}, "Conv2d"), Bare("conv2.bias", {16}, "Conv2d"),
      Bare("fc1.weight", {120, 400}, "Linear"),      Bare("fc1.bias", {120}, "Linear"),
      Bare("fc2.weight", {84, 120}, "Linear"),       Bare("fc2.bias", {84}, "Linear"),
      Bare("fc3.weight", {10, 84}, "Linear"),        Bare("fc3.bias", {10}, "Linear")};
  for (const char* module : {"conv1", "conv2", "fc1", "fc2", "fc3"})
    recipe.draws.push_back({"", std::nullopt, module});
  return recipe;
}

TEST_P(Golden, Net) {
  for (const json& one : Cases()) {
    if (one.at("call") != "net") continue;
    Recipe recipe = ArticleNet(GetParam());
    const ModelPlan constructed = MustResolve(recipe);
    for (const json& tensor : Of(one).at("after_construction")) {
      const std::string name = tensor.at("tensor");
      EXPECT_EQ(HashOf(BytesOfTensor(constructed, name)), tensor.at("sha256").get<std::string>())
          << name;
    }
    KaimingNormal kaiming;
    kaiming.nonlinearity = Nonlinearity::kRelu;
    recipe.draws.push_back({"fc1.weight", kaiming, ""});
    recipe.draws.push_back({"fc2.weight", kaiming, ""});
    recipe.draws.push_back({"fc3.weight", XavierNormal{}, ""});
    const ModelPlan plan = MustResolve(recipe);
    for (const json& tensor : Of(one).at("after_reinit")) {
      const std::string name = tensor.at("tensor");
      EXPECT_EQ(HashOf(BytesOfTensor(plan, name)), tensor.at("sha256").get<std::string>()) << name;
    }
    std::vector<std::byte> all;
    for (const TensorPlan& tensor : plan.tensors) {
      const auto bytes = BytesOfTensor(plan, tensor.name);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    EXPECT_EQ(HashOf(all), Of(one).at("all_tensors_sha256").get<std::string>());
    // What comes out of expanding is a recipe for the same.
    const auto expansion = Expand(recipe);
    ASSERT_OK(expansion);
    EXPECT_EQ(MustResolve(expansion->recipe).fingerprint, plan.fingerprint);
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, Golden, ::testing::Values(Variant::kAvx2, Variant::kDefault),
                         [](const auto& test) {
                           return test.param == Variant::kAvx2 ? "avx2" : "default";
                         });

// Parts of every kind of fill, behind other fills, cut and threaded at random.
TEST(TorchCpuParts, EqualTheWhole) {
  struct Kind {
    Initializer init;
    Shape shape;
    DType dtype;
    const char* version;
  };
  TruncatedNormal truncated;
  truncated.high = 1;
  const Kind kinds[] = {{Uniform{.low = -0.3, .high = 0.4}, {300, 411}, DType::kFloat32, "1.13"},
                        {Uniform{.low = -0.3, .high = 0.4}, {77, 411}, DType::kFloat64, "1.13"},
                        {Normal{.mean = 0.5, .std = 2}, {311, 401}, DType::kFloat32, "1.13"},
                        {Normal{}, {33, 41}, DType::kBFloat16, "1.13"},
                        {Normal{}, {33, 41}, DType::kBFloat16, "2.12"},
                        {Normal{}, {5, 41}, DType::kFloat64, "1.13"},
                        {Normal{}, {3, 5}, DType::kFloat32, "1.13"},
                        {truncated, {50, 41}, DType::kFloat32, "1.13"},
                        {truncated, {50, 41}, DType::kFloat32, "2.12"},
                        {Sparse{.sparsity = 0.3, .std = 1}, {20, 31}, DType::kFloat32, "1.13"},
                        {Orthogonal{}, {20, 31}, DType::kFloat32, "1.13"},
                        {XavierUniform{}, {64, 8, 3}, DType::kFloat16, "2.12"}};
  Random random(6);
  for (const Kind& kind : kinds) {
    Recipe recipe;
    recipe.generator = Torch(kind.version);
    recipe.seed = 11;
    recipe.tensors = {Spec("w", kind.shape, kind.init, kind.dtype), Spec("before", {3}, Normal{}),
                      Spec("long", {70000}, Uniform{})};
    recipe.draws = {
        {"before", std::nullopt, ""}, {"long", std::nullopt, ""}, {"w", std::nullopt, ""}};
    const ModelPlan plan = MustResolve(recipe);
    const std::vector<std::byte> full = BytesOfTensor(plan, "w");
    SCOPED_TRACE(ToString(kind.init) + " " + std::string(Name(kind.dtype)));
    for (int turn = 0; turn < 10; ++turn) CheckPart(random, plan, full);
  }
}

TEST(TorchCpuParts, InAnotherDtypeAsConverted) {
  const auto plan = ResolveTensor(Spec("w", {40, 50}, Normal{}), 3, Torch());
  ASSERT_OK(plan);
  const auto whole = ValuesOf<float>(BytesOfTensor(*plan, "w"));
  const auto bound = Bind(*plan, {.name = "w", .dtype = DType::kFloat64}, "selection");
  ASSERT_OK(bound);
  const auto wide = ValuesOf<double>(BytesOf(EngineOf(1), *plan, *bound));
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_EQ(wide[i], double{whole[i]});
}

TEST(TorchCpuOrder, TheLastDrawStaysAndEarlierOnesCount) {
  Recipe recipe;
  recipe.generator = Torch();
  recipe.tensors = {Spec("a", {100}, Uniform{}), Spec("b", {100}, Normal{})};
  const ModelPlan in_order = MustResolve(recipe);
  recipe.draws = {{"b", std::nullopt, ""}, {"a", std::nullopt, ""}, {"b", Uniform{}, ""}};
  const ModelPlan drawn = MustResolve(recipe);
  EXPECT_NE(in_order.fingerprint, drawn.fingerprint);
  EXPECT_EQ(drawn.tensors[1].init, Initializer(Uniform{}));
  recipe.draws = {};
  recipe.tensors = {Spec("x", {100}, Normal{}), Spec("a", {100}, Uniform{}),
                    Spec("b", {100}, Uniform{})};
  const ModelPlan same = MustResolve(recipe);
  EXPECT_EQ(BytesOfTensor(same, "a"), BytesOfTensor(drawn, "a"));
  EXPECT_EQ(BytesOfTensor(same, "b"), BytesOfTensor(drawn, "b"));
}

TEST(TorchCpuOrder, WhatDrawsNothingChangesNothing) {
  Recipe recipe;
  recipe.generator = Torch();
  recipe.tensors = {Spec("a", {100}, Normal{})};
  const auto alone = BytesOfTensor(MustResolve(recipe), "a");
  TensorSpec tied = Bare("tied", {100});
  View view;
  view.kind = TiedTo{"a"};
  tied.view = OptionalView(view);
  recipe.tensors = {Spec("z", {50}, Zeros{}), Spec("e", {5, 5}, Eye{}), Spec("n", {0, 5}, Normal{}),
                    tied, Spec("a", {100}, Normal{})};
  const ModelPlan plan = MustResolve(recipe);
  EXPECT_EQ(BytesOfTensor(plan, "a"), alone);
  EXPECT_EQ(BytesOfTensor(plan, "tied"), alone);
}

// torch registers a recurrent module's tensors by layer, then direction, then name; the recipe may
// have them in any order.
TEST(TorchCpuConstruct, RecurrentModulesAreDrawnInTheirOwnOrder) {
  const std::vector<std::pair<std::string, Shape>> registered = {{"weight_ih_l0", {32, 4}},
                                                                 {"weight_hh_l0", {32, 3}},
                                                                 {"bias_ih_l0", {32}},
                                                                 {"bias_hh_l0", {32}},
                                                                 {"weight_hr_l0", {3, 8}},
                                                                 {"weight_ih_l0_reverse", {32, 4}},
                                                                 {"weight_hh_l0_reverse", {32, 3}},
                                                                 {"bias_ih_l0_reverse", {32}},
                                                                 {"bias_hh_l0_reverse", {32}},
                                                                 {"weight_hr_l0_reverse", {3, 8}},
                                                                 {"weight_ih_l1", {32, 6}},
                                                                 {"weight_hh_l1", {32, 3}},
                                                                 {"bias_ih_l1", {32}},
                                                                 {"bias_hh_l1", {32}},
                                                                 {"weight_hr_l1", {3, 8}},
                                                                 {"weight_ih_l1_reverse", {32, 6}},
                                                                 {"weight_hh_l1_reverse", {32, 3}},
                                                                 {"bias_ih_l1_reverse", {32}},
                                                                 {"bias_hh_l1_reverse", {32}},
                                                                 {"weight_hr_l1_reverse", {3, 8}}};
  Recipe in_order;
  in_order.generator = Torch();
  for (const auto& [name, shape] : registered)
    in_order.tensors.push_back(Bare("rnn." + name, shape, "LSTM"));
  in_order.draws = {{"", std::nullopt, "rnn"}};
  Recipe sorted = in_order;
  std::sort(sorted.tensors.begin(), sorted.tensors.end(),
            [](const TensorSpec& a, const TensorSpec& b) { return a.name < b.name; });
  const ModelPlan plan = MustResolve(in_order);
  EXPECT_EQ(MustResolve(sorted).fingerprint, plan.fingerprint);
  for (std::size_t i = 0; i < registered.size(); ++i)
    EXPECT_EQ(plan.DrawsOf(static_cast<int>(i))[0].step, static_cast<std::int64_t>(i));
}

TEST(TorchCpuConstruct, RefusesWhatIsNoSuchModule) {
  const auto construct = [](const std::string& type,
                            const std::vector<std::pair<std::string, Shape>>& tensors) {
    Recipe recipe;
    recipe.generator = Torch();
    for (const auto& [name, shape] : tensors)
      recipe.tensors.push_back(Bare("m." + name, shape, type));
    recipe.draws = {{"", std::nullopt, "m"}};
    return Resolve(recipe);
  };
  constexpr char kField[] = "draws[0].construct";
  EXPECT_OK(construct("GRUCell", {{"weight_hh", {6, 2}}, {"weight_ih", {6, 5}}}));
  EXPECT_THAT(construct("LSTM", {{"weight_ih_l0", {30, 4}}, {"weight_hh_l0", {30, 8}}}),
              IsInvalid(kField, "gates, 4"));
  EXPECT_THAT(construct("GRU", {{"weight_ih_l0", {24, 4}}, {"weight_hh_l0", {24, 6}}}),
              IsInvalid(kField, "\"weight_hh_l0\" of [24, 6] does not fit torch's GRU"));
  EXPECT_THAT(construct("RNN", {{"weight_ih_l0", {8, 4}}}),
              IsInvalid(kField, "\"weight_hh_l0\" is missing"));
  EXPECT_THAT(
      construct("RNNCell", {{"weight_ih", {8, 4}}, {"weight_hh", {8, 8}}, {"bias_hh", {8}}}),
      IsInvalid(kField, "\"bias_ih\" is missing"));
  EXPECT_THAT(
      construct("GRU",
                {{"weight_ih_l0", {24, 4}}, {"weight_hh_l0", {24, 8}}, {"weight_hr_l0", {3, 8}}}),
      IsInvalid(kField, "\"weight_hr_l0\" is no tensor"));
  EXPECT_THAT(construct("Linear", {{"bias", {8}}}), IsInvalid(kField, "\"weight\" is missing"));
  EXPECT_OK(construct("PReLU", {{"weight", {8}}}));
  Recipe tied;
  tied.generator = Torch();
  TensorSpec head = Bare("lm_head.weight", {8, 4}, "Linear");
  View view;
  view.kind = TiedTo{"wte"};
  head.view = OptionalView(view);
  tied.tensors = {Spec("wte", {8, 4}, Normal{}), head};
  tied.draws = {{"wte", std::nullopt, ""}, {"", std::nullopt, "lm_head"}};
  EXPECT_THAT(Resolve(tied), IsInvalid("draws[1].construct", "\"lm_head.weight\" is tied"));
}

TEST(TorchCpuStart, AStateStandsInPlaceOfTheSeed) {
  torch_cpu::Generator generator = torch_cpu::Seeded(5);
  generator.words.Skip(1000);
  const auto state = torch_cpu::SerializeState(torch_cpu::StateOf(generator));
  Recipe recipe;
  TorchCpu torch = Torch();
  torch.start_state.assign(reinterpret_cast<const char*>(state.data()), state.size());
  recipe.generator = torch;
  recipe.tensors = {Spec("a", {64}, Normal{})};
  const auto from_state = BytesOfTensor(MustResolve(recipe), "a");
  recipe.generator = Torch();
  recipe.seed = 5;
  recipe.tensors = {Spec("before", {1000}, Uniform{}), Spec("a", {64}, Normal{})};
  EXPECT_EQ(BytesOfTensor(MustResolve(recipe), "a"), from_state);
}

// Passing over a tensor that is drawn whole costs its memory too.
TEST(TorchCpuLimits, CountWhatPrecedes) {
  Recipe recipe;
  recipe.generator = Torch("2.12");
  recipe.tensors = {Spec("b", {3}, Uniform{}), Spec("a", {1000, 100}, TruncatedNormal{}),
                    Spec("c", {3}, Uniform{})};
  const auto refusal_of = [&](const char* name, std::int64_t bytes) {
    const ModelPlan plan = MustResolve(recipe);
    const auto bound = Bind(plan, {.name = name}, "selection");
    EXPECT_OK(bound);
    return std::string(
        CheckLimits(plan, std::vector{*bound}, {.max_matrix_bytes = bytes}).message());
  };
  EXPECT_EQ(refusal_of("b", 1), "");  // drawn before
  EXPECT_THAT(refusal_of("c", 1599999),
              AllOf(HasSubstr("\"c\" [3] is drawn after \"a\" [1000, 100]"), HasSubstr("1600000")));
  EXPECT_THAT(refusal_of("a", 1599999), HasSubstr("\"a\" [1000, 100] needs"));
  EXPECT_EQ(refusal_of("c", 1600000), "");
  // Also a draw that a later one replaces.
  recipe.draws = {{"a", std::nullopt, ""},
                  {"c", std::nullopt, ""},
                  {"b", std::nullopt, ""},
                  {"a", Uniform{}, ""}};
  EXPECT_THAT(refusal_of("b", 1599999), HasSubstr("is drawn after \"a\""));
}

TEST(TorchCpuPlan, SaysWhatIsApproximate) {
  const auto notes = [](const TensorSpec& spec, const TorchCpu& torch) {
    const auto plan = ResolveTensor(spec, 0, torch);
    EXPECT_OK(plan);
    return plan.ok() ? Join(plan->tensors[0].notes, "; ") : std::string();
  };
  EXPECT_EQ(notes(Spec("w", {64}, Normal{}), Torch()), "");
  EXPECT_EQ(notes(Spec("w", {64}, Uniform{}, DType::kFloat16), Torch()), "");
  EXPECT_THAT(notes(Spec("w", {64}, Normal{}, DType::kFloat64), Torch()), HasSubstr("libm"));
  EXPECT_THAT(notes(Spec("w", {64}, Normal{}), Torch("1.13", Variant::kDefault)),
              HasSubstr("libm"));
  for (const DType narrow : {DType::kFloat16, DType::kBFloat16}) {
    EXPECT_THAT(notes(Spec("w", {64}, Normal{}, narrow), Torch()), HasSubstr("16-bit normals"));
    EXPECT_THAT(notes(Spec("w", {8, 8}, Sparse{.sparsity = 0.5}, narrow), Torch()),
                HasSubstr("16-bit normals"));
  }
  EXPECT_THAT(notes(Spec("w", {15}, Normal{}), Torch()), HasSubstr("fewer than 16"));
  EXPECT_EQ(notes(Spec("w", {15}, Uniform{}), Torch("1.13", Variant::kDefault)), "");
  EXPECT_THAT(notes(Spec("w", {64}, Normal{}, DType::kFloat16), Torch("2.5")),
              HasSubstr("approximate: FLOAT16"));
  EXPECT_THAT(notes(Spec("w", {64}, TruncatedNormal{}), Torch()), HasSubstr("MKL"));
  EXPECT_THAT(notes(Spec("w", {64}, TruncatedNormal{}), Torch("2.12")), HasSubstr("2.12"));
}

TEST(TorchCpuPlan, WarnsOfBoundsThatTorchWouldReadOtherwise) {
  const auto warned = [](const TruncatedNormal& init) {
    const auto plan = ResolveTensor(Spec("w", {64}, init), 0, Torch());
    EXPECT_OK(plan);
    return plan.ok() &&
           Join(plan->tensors[0].warnings, "").find("torch's own a") != std::string::npos;
  };
  EXPECT_FALSE(warned({}));
  EXPECT_TRUE(warned({.std = 0.02}));
  EXPECT_FALSE(warned({.std = 0.02, .bounds = TruncationBounds::kAbsolute}));
}

TEST(TorchCpuPlan, Refusals) {
  Recipe recipe = ArticleNet(Variant::kAvx2);
  recipe.draws[1].construct = "conv9";
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[1].construct", "no prefix"));
  recipe = ArticleNet(Variant::kAvx2);
  recipe.draws[1].init = Zeros{};
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[1].init", "construct"));
  recipe = ArticleNet(Variant::kAvx2);
  recipe.tensors[4].module = "Mystery";
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[2].construct", "of the modules"));
  recipe.tensors[5].module = "Mystery";
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[2].construct", "allowed: Linear"));
  recipe = ArticleNet(Variant::kAvx2);
  recipe.tensors.push_back(Bare("fc3.extra", {3}, "Linear"));
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[4].construct", "\"extra\" is no tensor"));
  recipe = ArticleNet(Variant::kAvx2);
  recipe.draws.push_back({"fc4.weight", std::nullopt, ""});
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[5].name", "nearest"));
  recipe = ArticleNet(Variant::kAvx2);
  recipe.tensors.push_back(Spec("left", {3}, Normal{}));
  EXPECT_THAT(Resolve(recipe), IsInvalid("tensors[10].name", "in no draw"));
  recipe.tensors.back().init = Ones{};
  EXPECT_OK(Resolve(recipe));
  Recipe unsaid = recipe;
  unsaid.tensors.back().init.reset();
  unsaid.rules = {RuleOf("left", Normal{})};
  unsaid.draws.push_back({"left", std::nullopt, ""});
  EXPECT_OK(Resolve(unsaid));
  unsaid.rules[0].may_be_idle = true;
  unsaid.draws.push_back({"left", Ones{}, ""});
  EXPECT_THAT(Resolve(unsaid), IsInvalid("draws[5].init", "missing"));
  recipe.draws.push_back({"left", Normal{.std = -1}, ""});
  recipe.draws.push_back({"left", Ones{}, ""});
  EXPECT_THAT(Resolve(recipe), IsInvalid("draws[5].init.normal.std", "-1"));
  EXPECT_THAT(ResolveTensor(Spec("w", {8, 8, 3}, DeltaOrthogonal{}), 0, Torch()),
              IsInvalid("tensor.init", "delta_orthogonal"));
  EXPECT_THAT(ResolveTensor(Spec("w", {8, 8}, Orthogonal{}, DType::kBFloat16), 0, Torch()),
              IsInvalid("tensor.init", "no orthogonal_"));
}

}  // namespace
}  // namespace weightinit::test
