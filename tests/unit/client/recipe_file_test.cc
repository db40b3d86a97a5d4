// Recipes in YAML and JSON: what is read, and that every refusal names file, line and path.
#include "client/formats/recipe_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "client/formats/document.h"
#include "weightinit/plan.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Recipe Parsed(const std::string& text) {
  absl::StatusOr<RecipeFile> file = ParseRecipeFile(text, "r.yaml");
  EXPECT_TRUE(file.ok()) << file.status();
  return file.ok() ? file->recipe : Recipe{};
}

std::string Refusal(const std::string& text) {
  absl::StatusOr<RecipeFile> file = ParseRecipeFile(text, "r.yaml");
  EXPECT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(file.status().message());
}

TEST(RecipeFile, ReadsEveryField) {
  const Recipe recipe = Parsed(R"(
generator: philox_v1
seed: 18446744073709551615
default_dtype: bfloat16
constants: {layers: 12, eps: 1e-5}
tensors:
  - name: fc1.weight
    shape: [120, 400]
    dtype: float32
    init: normal(std=0.02)
    fan: {layout: in_out, transposed: true, groups: 2, in_axes: [-2], out_axes: [1],
          batch_axes: [0], fan_in: 3, fan_out: 4.5, fans_of: weight}
    module: Linear
    buffer: true
    draw_name: ""
    subsequence: 7
    seed: 8
    scale: 0.5
rules:
  - {name_regex: '.*\.bias', module: Linear, init: zeros, scale: "1/layers", seed: 3, may_be_idle: true}
  - {module: Skipped, skip: true}
renames:
  - {name_regex: 'model\.(.*)', rewrite: '\1'}
allow_uncovered: true
allow_idle: true
)");
  EXPECT_EQ(recipe.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(recipe.default_dtype, DType::kBFloat16);
  EXPECT_EQ(recipe.constants, (std::map<std::string, double>{{"layers", 12}, {"eps", 1e-5}}));
  ASSERT_EQ(recipe.tensors.size(), 1u);
  TensorSpec tensor;
  tensor.name = "fc1.weight";
  tensor.shape = {120, 400};
  tensor.dtype = DType::kFloat32;
  tensor.init = Normal{.std = 0.02};
  tensor.fan = FanGeometry{.layout = FanLayout::kInOut,
                           .transposed = true,
                           .groups = 2,
                           .in_axes = {-2},
                           .out_axes = {1},
                           .batch_axes = {0},
                           .fan_in = 3,
                           .fan_out = 4.5,
                           .fans_of = "weight"};
  tensor.module = "Linear";
  tensor.buffer = true;
  tensor.draw_name = "";
  tensor.subsequence = 7;
  tensor.seed = 8;
  tensor.scale = 0.5;
  EXPECT_EQ(recipe.tensors[0], tensor);
  ASSERT_EQ(recipe.rules.size(), 2u);
  Rule rule;
  rule.name_regex = ".*\\.bias";
  rule.module = "Linear";
  rule.init = Zeros{};
  rule.scale = "1/layers";
  rule.seed = 3;
  rule.may_be_idle = true;
  EXPECT_EQ(recipe.rules[0], rule);
  EXPECT_TRUE(recipe.rules[1].skip);
  EXPECT_THAT(recipe.renames, ElementsAre(Rename{"model\\.(.*)", "\\1"}));
  EXPECT_TRUE(recipe.allow_uncovered);
  EXPECT_TRUE(recipe.allow_idle);
}

TEST(RecipeFile, ReadsTheJsonOfTheMessage) {
  const Recipe recipe = Parsed(R"({
	"seed": "18446744073709551615", "defaultDtype": "FLOAT16",
	"generator": {"philoxV1": {}},
	"tensors": [{"name": "a\u00e9", "shape": ["2", 3], "drawName": "b",
	             "init": {"kaimingUniform": {"mode": "FAN_OUT", "negativeSlope": 0.25}}}],
	"rules": [{"nameRegex": "x", "init": {"zeros": {}}, "mayBeIdle": true}]
})");
  EXPECT_EQ(recipe.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(recipe.default_dtype, DType::kFloat16);
  EXPECT_EQ(recipe.tensors[0].name, "aé");
  EXPECT_EQ(recipe.tensors[0].shape, (Shape{2, 3}));
  EXPECT_EQ(recipe.tensors[0].draw_name, "b");
  EXPECT_EQ(recipe.tensors[0].init,
            Initializer(KaimingUniform{.mode = FanMode::kFanOut, .negative_slope = 0.25}));
  EXPECT_EQ(recipe.rules[0].init, Initializer(Zeros{}));
}

TEST(RecipeFile, InitializersAsTextAndAsMappingAreEqual) {
  constexpr std::pair<const char*, const char*> kForms[] = {
      {"\"truncated_normal(std=0.02, low=-3, high=3)\"",
       "{truncated_normal: {std: 0.02, low: -3, high: 3}}"},
      {"ones", "{ones: {}}"},
      {"ones", "{ones: }"},
      {"\"truncated_normal(low=-inf)\"", "{truncatedNormal: {low: -.inf}}"},
      {"\"truncated_normal(low=-inf)\"", "{truncatedNormal: {low: -Infinity}}"},
      {"\"truncated_normal(correct_variance=true)\"", "{trunc_normal_: {correctVariance: true}}"},
      {"\"xavier_normal(nonlinearity=conv_transpose2d)\"",
       "{XAVIER_NORMAL: {nonlinearity: Conv_Transpose2d}}"},
  };
  for (const auto& [text, mapping] : kForms) {
    const Recipe a = Parsed(std::string("rules: [{init: ") + text + "}]");
    const Recipe b = Parsed(std::string("rules: [{init: ") + mapping + "}]");
    ASSERT_EQ(a.rules.size(), 1u) << text;
    EXPECT_EQ(a, b) << text << " " << mapping;
  }
}

TEST(RecipeFile, NumbersInWords) {
  const Recipe recipe =
      Parsed("constants: {a: .inf, b: -.INF, c: Infinity, d: '-Infinity', e: .nan, f: +1.5}");
  EXPECT_EQ(recipe.constants.at("a"), HUGE_VAL);
  EXPECT_EQ(recipe.constants.at("b"), -HUGE_VAL);
  EXPECT_EQ(recipe.constants.at("c"), HUGE_VAL);
  EXPECT_EQ(recipe.constants.at("d"), -HUGE_VAL);
  EXPECT_TRUE(std::isnan(recipe.constants.at("e")));
  EXPECT_EQ(recipe.constants.at("f"), 1.5);
}

TEST(RecipeFile, EmptyTextIsNoneAsInTheMessage) {
  const Recipe recipe = Parsed("rules: [{name_regex: '', module: Linear, init: zeros}]");
  EXPECT_FALSE(recipe.rules[0].name_regex.has_value());
}

TEST(RecipeFile, HonestAliases) {
  const Recipe recipe = Parsed(
      "tensors:\n  - {name: a, shape: &s [2, 3], init: &i {normal: {std: 0.5}}}\n"
      "  - {name: b, shape: *s, init: *i}\n");
  EXPECT_EQ(recipe.tensors[1].shape, (Shape{2, 3}));
  EXPECT_EQ(recipe.tensors[1].init, Initializer(Normal{.std = 0.5}));
}

TEST(RecipeFile, Replays) {
  const Recipe recipe = Parsed(R"(
generator: {torchCpu: {variant: default, torch_version: 1.13, start_state: AAH/}}
draws:
  - {construct: fc1}
  - {name: fc1.weight, init: normal(std=0.5)}
)");
  const auto& torch = std::get<TorchCpu>(recipe.generator);
  EXPECT_EQ(torch.variant, TorchCpu::Variant::kDefault);
  EXPECT_EQ(torch.torch_version, "1.13");
  EXPECT_EQ(torch.start_state, std::string("\0\1\xff", 3));
  ASSERT_EQ(recipe.draws.size(), 2u);
  EXPECT_EQ(recipe.draws[0].construct, "fc1");
  EXPECT_EQ(recipe.draws[1].name, "fc1.weight");
  EXPECT_EQ(recipe.draws[1].init, Initializer(Normal{.std = 0.5}));
  EXPECT_EQ(Parsed("generator: torch_cpu(variant=DEFAULT)").generator,
            *ParseGenerator("torch_cpu(variant=DEFAULT)"));
  EXPECT_EQ(Parsed("generator: {jax_threefry: {layout: legacy, foldIn: [3, 1]}}").generator,
            Generator(JaxThreefry{JaxThreefry::Layout::kLegacy, {3, 1}}));
}

TEST(RecipeFile, Views) {
  const Recipe recipe = Parsed(R"(
tensors:
  - {name: a, shape: [], view: {tied_to: b}}
  - name: qkv
    shape: []
    view:
      concat: {dim: 1, blocks: 2, parts: [{name: q, size: 4, init: ones}, {name: k, scale: 0.5, subsequence: 7}]}
      zeroRows: [{start: 3}, {size: 1, step: 2}]
rules:
  - view: {stack: {count: 8, first: 1, dim: -1, part: {name: 'e.{}', seed: 3, view: {transpose: {dims: [1, 0]}}}}}
  - view: {}
constants: {layers: 12, d: 4.5}
)");
  EXPECT_EQ(recipe.tensors[0].view, OptionalView(View{TiedTo{"b"}, {}}));
  ViewPart q, k;
  q.name = "q";
  q.size = 4;
  q.init = Ones{};
  k.name = "k";
  k.scale = 0.5;
  k.subsequence = 7;
  EXPECT_EQ(recipe.tensors[1].view,
            OptionalView(View{Concat{{q, k}, 1, 2}, {Range{3, {}, {}}, Range{0, 1, 2}}}));
  ViewPart expert;
  expert.name = "e.{}";
  expert.seed = 3;
  expert.view = View{Transpose{{1, 0}, {}}, {}};
  EXPECT_EQ(recipe.rules[0].view, OptionalView(View{Stack{expert, 8, -1, 1}, {}}));
  EXPECT_EQ(recipe.rules[1].view, OptionalView(View{}));
  EXPECT_EQ(recipe.constants, (std::map<std::string, double>{{"layers", 12}, {"d", 4.5}}));
}

TEST(RecipeFile, TheExamplesOfTheDocumentCanBePlanned) {
  std::ifstream file(WEIGHTINIT_SOURCE_DIR "/docs/recipes.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  constexpr std::string_view kBegin = "```yaml\n", kEnd = "```\n";
  int examples = 0;
  for (std::size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at)) {
    at += kBegin.size();
    const std::string example = text.substr(at, text.find(kEnd, at) - at);
    const auto parsed = ParseRecipeFile(example, "recipes.md");
    ASSERT_TRUE(parsed.ok()) << parsed.status() << "\n" << example;
    const auto plan = Resolve(parsed->recipe);
    EXPECT_TRUE(plan.ok()) << plan.status() << "\n" << example;
    ++examples;
  }
  EXPECT_GE(examples, 9);
}

TEST(RecipeFile, RefusalsNameFileLineAndPath) {
  struct Case {
    const char* text;
    const char* refusal;
  };
  constexpr Case kCases[] = {
      {"seeds: 1\n", "r.yaml:1: seeds: unknown key; did you mean 'seed'?"},
      {"tensors:\n- view:\n    tied_to: a\n    stack: {}\n",
       "r.yaml:4: tensors[0].view.stack: given together with another kind of view"},
      {"tensors:\n- view:\n    stack: {}\n    tied_to: a\n",
       "r.yaml:4: tensors[0].view.tied_to: given together with another kind of view"},
      {"tensors:\n- view:\n    stack:\n      part: {name: a, size: 3}\n",
       "r.yaml:4: tensors[0].view.stack.part.size: unknown key"},
      {"rules:\n- view: {concat: {parts: [{nam: a}]}}\n",
       "r.yaml:2: rules[0].view.concat.parts[0].nam: unknown key; did you mean 'name'?"},
      {"tensors:\n- name: a\n  shape: [1]\n- name: b\n  init: zeros\n",
       "r.yaml:4: tensors[1].shape: missing; allowed: a list of sizes, [] for a scalar"},
      {"tensors: [{shape: [1]}]\n",
       "r.yaml:1: tensors[0].name: missing; allowed: the tensor's name"},
      {"seed: 1\n\ntensors:\n  - {name: a, shap: [1]}\n",
       "r.yaml:4: tensors[0].shap: unknown key; did you mean 'shape'?"},
      {"seed: 1\nseed: 2\n", "r.yaml:2: seed: given twice; first in line 1"},
      {"rules:\n- nameRegex: a\n  name_regex: b\n",
       "r.yaml:3: rules[0].name_regex: given twice; first in line 2"},
      {"rules:\n- {init: zeros,\n   fan: {fan_in: 1, fan_in: 2}}\n",
       "r.yaml:3: rules[0].fan.fan_in: given twice"},
      {"rules:\n- init: {normal: {std: 1, std: 2}}\n",
       "r.yaml:2: rules[0].init.normal.std: given twice"},
      {"constants:\n  a: 1\n  a: 2\n", "r.yaml:3: constants[\"a\"]: given twice"},
      {"seed: -1\n", "r.yaml:1: seed: '-1' is not a whole number from 0 to 18446744073709551615"},
      {"seed: 18446744073709551616\n", "r.yaml:1: seed: '18446744073709551616' is not"},
      {"seed: 1.5\n", "r.yaml:1: seed: '1.5' is not a whole number"},
      {"seed: [1]\n", "r.yaml:1: seed: a list is not a whole number"},
      {"seed:\n", "r.yaml:1: seed: nothing is not a whole number"},
      {"tensors: [{shape: [1, x]}]\n", "r.yaml:1: tensors[0].shape[1]: 'x' is not a whole number"},
      {"tensors: {name: a}\n", "r.yaml:1: tensors: a mapping is not a list"},
      {"tensors:\n- a\n", "r.yaml:2: tensors[0]: 'a' is not a mapping"},
      {"tensors:\n- {name: [a]}\n", "r.yaml:2: tensors[0].name: a list is not a text"},
      {"tensors: [{scale: fast}]\n", "r.yaml:1: tensors[0].scale: 'fast' is not a number"},
      {"tensors: [{scale: 1e999}]\n", "r.yaml:1: tensors[0].scale: '1e999' is not a number"},
      {"tensors: [{buffer: 1}]\n", "r.yaml:1: tensors[0].buffer: '1' is not true or false"},
      {"tensors: [{buffer: 'true'}]\n", "r.yaml:1: tensors[0].buffer: 'true' is not true"},
      {"default_dtype: float33\n", "r.yaml:1: default_dtype: "},
      {"tensors: [{fan: {layout: OUT}}]\n",
       "r.yaml:1: tensors[0].fan.layout: 'OUT' is not OUT_IN or IN_OUT"},
      {"rules:\n  - init: zeros\n  - init: normall\n", "r.yaml:3: rules[1].init: "},
      {"rules:\n  - {init: \"normal(sd=1)\"}\n", "r.yaml:2: rules[0].init"},
      {"rules:\n  - init: {normal: {}, zeros: {}}\n", "r.yaml:2: rules[0].init: a mapping is not"},
      {"rules:\n  - init: {normal: 3}\n", "r.yaml:2: rules[0].init.normal: '3' is not a mapping"},
      {"rules:\n  - init: {normal: {std: '1, mean=5'}}\n",
       "r.yaml:2: rules[0].init.normal.std: '1, mean=5' is not a number or a name"},
      {"rules:\n  - init: {\"zeros(\": {}}\n", "r.yaml:2: rules[0].init: 'zeros(' is not the name"},
      {"rules:\n  - init: [zeros]\n", "r.yaml:2: rules[0].init: a list is not an initializer"},
      {"generator: {torch_cpu: {variant: AVX1}}\n", "r.yaml:1: generator.torch_cpu.variant: "},
      {"generator: {torch_cpu: {start_state: '!'}}\n",
       "r.yaml:1: generator.torch_cpu.start_state: not bytes"},
      {"generator: {torch_cpu: {seed: 1}}\n", "r.yaml:1: generator.torch_cpu.seed: unknown key"},
      {"generator: {philox_v1: {seed: 1}}\n", "r.yaml:1: generator.philox_v1: has no parameters"},
      {"draws: [{nam: a}]\n", "r.yaml:1: draws[0].nam: unknown key"},
      {"generator: mersenne\n", "r.yaml:1: generator: "},
      // In flow style a comma ends the text: the quotes are missing.
      {"rules:\n  - {init: normal(mean=0, std=1)}\n",
       "r.yaml:2: rules[0].init: 'normal(mean=0' ends too early"},
      {"seed: 1\n---\nseed: 2\n", "r.yaml:2: a second document in one file"},
      {"", "r.yaml:1: "},
      {"a: [\n", "r.yaml:"},
      {"seed: *a\n", "r.yaml:1: "},
      {"seed: &a\n  - *a\n", "r.yaml:2: an alias to what holds it"},
      {"? [a]\n: b\n", "r.yaml:1: a key that is not a text"},
      {"a: \"\\q\"\n", "r.yaml:1: "},
  };
  for (const Case& c : kCases) EXPECT_THAT(Refusal(c.text), StartsWith(c.refusal)) << c.text;
}

TEST(RecipeFile, DepthIsBounded) {
  EXPECT_THAT(Refusal("a: " + std::string(40, '[') + std::string(40, ']')),
              HasSubstr("more than 32 levels"));
  for (const char bracket : {'[', '{'}) Refusal("a: " + std::string(1'000'000, bracket));
  std::string keys;
  for (int i = 0; i < 100; ++i) keys += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(Refusal(keys), HasSubstr("more than 32 levels"));
}

TEST(RecipeFile, AliasesOfAliasesAreBounded) {
  const std::string text = "tensors: [&a {name: a, shape: &s [1]}, *a, *a, {name: b, shape: *s}]\n";
  EXPECT_TRUE(ParseRecipeFile(text, "r.yaml").ok());
  std::string bomb = "rules:\n- fan: {in_axes: &x [";
  for (int i = 0; i < 5000; ++i) bomb += "1,";
  bomb += "1]}\n";
  for (int i = 0; i < 5000; ++i) bomb += "- fan: {in_axes: *x}\n";
  EXPECT_THAT(Refusal(bomb), HasSubstr("aliases of this file expand to more than"));
}

TEST(RecipeFile, SizeIsBounded) {
  const std::string text(Document::kMaxFileBytes + 1, ' ');
  EXPECT_THAT(Refusal(text), HasSubstr("bytes; at most"));
}

TEST(RecipeFile, ErrorsOfTheLibraryGetTheirLines) {
  absl::StatusOr<RecipeFile> file = ParseRecipeFile(
      "tensors:\n"
      "  - {name: a, shape: [2, 3]}\n"
      "rules:\n"
      "  - name_regex: a\n"
      "    init:\n"
      "      normal:\n"
      "        std: -1\n",
      "r.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  const RecipeOrigin origin{.tensors = file->document, .rules = file->document, .rules_in_file = 1};
  const absl::Status status = WithLines(Resolve(file->recipe).status(), origin);
  EXPECT_THAT(std::string(status.message()), StartsWith("r.yaml:7: rules[0].init.normal.std: "));
  ASSERT_EQ(FieldViolations(status).size(), 1u);
  EXPECT_EQ(FieldViolations(status)[0].field, "rules[0].init.normal.std");
}

TEST(RecipeFile, EveryViolationGetsItsOwnLine) {
  absl::StatusOr<RecipeFile> file = ParseRecipeFile(
      "tensors:\n"
      "  - {name: a, shape: [2]}\n"
      "  - {name: b, shape: [2]}\n",
      "m.yaml");
  ASSERT_TRUE(file.ok()) << file.status();
  const RecipeOrigin origin{.tensors = file->document, .rules = file->document};
  const absl::Status status = WithLines(Resolve(file->recipe).status(), origin);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\n  m.yaml:2: tensors[0]: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\n  m.yaml:3: tensors[1]: "));
}

TEST(RecipeFile, RulesFromTheCommandLineAreNamedSo) {
  const absl::Status status = FieldError("rules[2].init.normal.std", "-1 is negative");
  EXPECT_EQ(WithLines(status, {.tensors = nullptr, .rules = nullptr, .rules_in_file = 2}).message(),
            "--init: rules[2].init.normal.std: -1 is negative");
  EXPECT_EQ(WithLines(status, {.tensors = nullptr, .rules = nullptr, .rules_in_file = 3}).message(),
            "rules[2].init.normal.std: -1 is negative");
}

TEST(RecipeFile, ReadyRecipesResolve) {
  for (const auto& entry : std::filesystem::directory_iterator(WEIGHTINIT_SOURCE_DIR "/recipes")) {
    if (entry.path().extension() != ".yaml") continue;
    absl::StatusOr<RecipeFile> file = LoadRecipeFile(entry.path());
    ASSERT_TRUE(file.ok()) << file.status();
    if (file->recipe.tensors.empty()) continue;  // rules; integration.recipes has tensors for them
    const absl::StatusOr<ModelPlan> plan = Resolve(file->recipe);
    ASSERT_TRUE(plan.ok()) << entry.path() << ": " << plan.status();
    EXPECT_TRUE(plan->warnings.empty()) << entry.path();
    EXPECT_EQ(plan->tensors.size(), file->recipe.tensors.size());
  }
}

TEST(RecipeFile, ErrorsOfTheFileNameIt) {
  EXPECT_EQ(LoadRecipeFile("/nonexistent/r.yaml").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(LoadRecipeFile("/").status().message()), StartsWith("/: is a directory"));
}

TEST(Document, WhatIsNotUtf8IsCalledSo) {
  const auto refusal = [](std::string_view text) {
    return std::string(Document::Parse(text, "r.yaml").status().message());
  };
  EXPECT_THAT(refusal({"\xff\xfe"
                       "a\0:\0",
                       6}),
              StartsWith("r.yaml:1: is UTF-16"));
  EXPECT_THAT(refusal({"\xfe\xff\0a\0:", 6}), StartsWith("r.yaml:1: is UTF-16"));
  EXPECT_THAT(refusal({"\x93NUMPY\x01\0", 8}), StartsWith("r.yaml:1: is not text"));
  EXPECT_THAT(refusal(""), StartsWith("r.yaml:1: the file is empty"));
}

TEST(Document, AByteOrderMarkIsNoPartOfTheText) {
  const absl::StatusOr<Document> document = Document::Parse(
      "\xef\xbb\xbf"
      "a: 1\n",
      "r.yaml");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ(document->root().key(0).text(), "a");
}

// JSON has a parser of its own; both make the same of it.
void ExpectSame(const Document::Value& json, const Document::Value& yaml) {
  ASSERT_EQ(json.kind(), yaml.kind()) << json.text() << yaml.text();
  EXPECT_EQ(json.line(), yaml.line()) << json.text();
  EXPECT_EQ(json.text(), yaml.text());
  EXPECT_EQ(json.quoted(), yaml.quoted()) << json.text();
  ASSERT_EQ(json.size(), yaml.size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json.kind() == Document::Kind::kMap) ExpectSame(json.key(i), yaml.key(i));
    ExpectSame(json.item(i), yaml.item(i));
  }
}

TEST(Document, JsonIsReadAsTheYamlThatItIs) {
  const std::string json =
      "\n{\"seed\": 18446744073709551615,\n \"a\": [1\n, -2\n,-0, 0.10, 1e-5, 1E999,\r\n"
      "  12345678901234567890123, true, false], \"b\":\n{\"c\": \"1\", \"c\": \"\", \"d\": {}, "
      "\"e\": []}"
      ", \"f\": \"\\\"\\u00e4\\n\"\n\n, \"g\": null\n}\n";
  const absl::StatusOr<Document> read = Document::Parse(json, "r.json");
  ASSERT_TRUE(read.ok()) << read.status();
  // A comment makes YAML of it.
  const absl::StatusOr<Document> yaml = Document::Parse(json + "# end\n", "r.yaml");
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  ExpectSame(read->root(), yaml->root());
  EXPECT_EQ(read->LineOf("a[0]"), 3);
  EXPECT_EQ(read->LineOf("a[1]"), 4);
  EXPECT_EQ(read->LineOf("b.d"), 7);
}

TEST(Document, LimitsHoldForJson) {
  const auto refusal = [](const std::string& text) {
    return std::string(Document::Parse(text, "r.json").status().message());
  };
  const std::string deep(40, '[');
  EXPECT_EQ(refusal("{\n\"a\": " + deep + std::string(40, ']') + "}"),
            "r.json:2: more than 32 levels");
  EXPECT_EQ(refusal("{\n\"a\": " + std::string(1'000'000, '[')), "r.json:2: more than 32 levels");
}

TEST(Document, WhatIsNearlyJsonIsYaml) {
  for (const char* text : {"{a: 1}", "{\"a\": 1,}", "{\"a\": 1} # one", "{'a': 1}"}) {
    const absl::StatusOr<Document> document = Document::Parse(text, "r");
    ASSERT_TRUE(document.ok()) << document.status();
    EXPECT_EQ(document->root().key(0).text(), "a");
    EXPECT_EQ(document->root().item(0).text(), "1");
  }
  const auto refusal = [](std::string_view text) {
    return std::string(Document::Parse(text, "r.json").status().message());
  };
  EXPECT_THAT(refusal("{\n\"a\": [1,\n"), StartsWith("r.json:2: syntax error"));
  EXPECT_THAT(refusal("{\"a\":\n{\"b\" 1}}"), StartsWith("r.json:2: syntax error"));
  EXPECT_THAT(refusal("{\"a\": 1}}"), StartsWith("r.json:1: syntax error"));
  EXPECT_THAT(refusal("{\na: [}"), StartsWith("r.json:2: "));
}

TEST(Document, LineOfTheDeepestPartThatExists) {
  const absl::StatusOr<Document> document =
      Document::Parse("a:\n  - b: 1\n    camelCase:\n      - 2\n      - 3\n", "r.yaml");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->LineOf(""), 1);
  EXPECT_EQ(document->LineOf("a[0].b"), 2);
  EXPECT_EQ(document->LineOf("a[0].camel_case[1]"), 5);
  EXPECT_EQ(document->LineOf("a[0].camel_case[7]"), 4);
  EXPECT_EQ(document->LineOf("a[0].b.c.d[3]"), 2);
  EXPECT_EQ(document->LineOf("a[99999999999999999999]"), 2);
  EXPECT_EQ(document->LineOf("a[x"), 2);
}

}  // namespace
}  // namespace weightinit::client
