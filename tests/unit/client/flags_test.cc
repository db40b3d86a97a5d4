// Flags come to the recipe that they say, or are refused as mistakes of the command line.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "client/cli/exit_code.h"
#include "client/cli/spec_flags.h"

namespace weightinit::client {
namespace {

using ::testing::HasSubstr;

struct Parsed {
  absl::StatusOr<Spec> spec;
  std::vector<Selection> selections;
};

Parsed Parse(std::vector<std::string> arguments,
             SpecFlags::Takes takes = SpecFlags::Takes::kTensor) {
  CLI::App app;
  SpecFlags flags(takes);
  flags.AddTo(app, "a recipe");
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(arguments);
  } catch (const CLI::ParseError& error) {  // as main.cc does
    return {UsageError(error.what()), {}};
  }
  Parsed parsed{flags.Load(), {}};
  if (!parsed.spec.ok()) return parsed;
  const absl::StatusOr<Model> model = flags.Resolve(*parsed.spec);
  if (!model.ok()) {
    parsed.spec = model.status();
    return parsed;
  }
  absl::StatusOr<std::vector<Selection>> selections = flags.Select(*model);
  if (selections.ok()) {
    parsed.selections = *selections;
  } else {
    parsed.spec = selections.status();
  }
  return parsed;
}

TensorSpec Tensor(const std::vector<std::string>& arguments) {
  const Parsed parsed = Parse(arguments);
  EXPECT_TRUE(parsed.spec.ok()) << parsed.spec.status();
  return parsed.spec.ok() ? parsed.spec->recipe.tensors[0] : TensorSpec{};
}

TEST(Flags, ParametersAreTheTextForm) {
  const TensorSpec flags =
      Tensor({"--shape", "256,128", "--init", "kaiming_uniform_", "--mode", "fan_out",
              "--nonlinearity", "leaky_relu", "--negative-slope", "0.2"});
  const TensorSpec text =
      Tensor({"--shape=[256, 128]", "--init",
              "kaiming_uniform(mode=FAN_OUT, nonlinearity=leaky_relu, negative_slope=0.2)"});
  EXPECT_EQ(flags, text);
  EXPECT_EQ(flags.shape, (Shape{256, 128}));
}

TEST(Flags, ShapesInEveryNotation) {
  for (const char* text : {"--shape=2x3", "--shape=2,3", "--shape=(2, 3)", "--shape=[2,3,]"}) {
    EXPECT_EQ(Tensor({text, "--init", "zeros"}).shape, (Shape{2, 3})) << text;
  }
  for (const char* text : {"--shape=()", "--shape=[]"}) {
    EXPECT_EQ(Tensor({text, "--init", "zeros"}).shape, Shape{}) << text;
  }
  EXPECT_EQ(Tensor({"--shape", "", "--init", "zeros"}).shape, Shape{});
}

TEST(Flags, SharedNamesGoToTheMethodThatHasThem) {
  TensorSpec tensor =
      Tensor({"--shape", "4,4", "--init", "variance_scaling", "--scale", "2", "--groups", "2"});
  EXPECT_EQ(tensor.init, Initializer(VarianceScaling{.scale = 2}));
  EXPECT_FALSE(tensor.scale.has_value());
  EXPECT_EQ(tensor.fan->groups, 2);
  tensor = Tensor({"--shape", "4,4", "--init", "variance_scaling(scale=2)", "--scale", "0.5"});
  EXPECT_EQ(tensor.init, Initializer(VarianceScaling{.scale = 2}));
  EXPECT_EQ(tensor.scale, 0.5);
  tensor = Tensor({"--shape", "4,4", "--init", "normal", "--scale", "0.5"});
  EXPECT_EQ(tensor.scale, 0.5);
  tensor = Tensor({"--shape", "4,4,3", "--init", "dirac", "--groups", "2"});
  EXPECT_EQ(tensor.init, Initializer(Dirac{.groups = 2}));
  EXPECT_FALSE(tensor.fan.has_value());
}

TEST(Flags, EverythingElse) {
  const Parsed parsed =
      Parse({"--shape", "8,4,3,3", "--init", "xavier_normal", "--name", "c.weight", "--dtype",
             "bfloat16", "--layout", "IN_OUT", "--transposed", "--draw-name", "", "--seed",
             "18446744073709551615", "--generator", "philox_v1", "--slice", "0:2,:,0,-1:"});
  ASSERT_TRUE(parsed.spec.ok()) << parsed.spec.status();
  const Recipe& recipe = parsed.spec->recipe;
  EXPECT_EQ(recipe.seed, 18446744073709551615u);
  const TensorSpec& tensor = recipe.tensors[0];
  EXPECT_EQ(tensor.name, "c.weight");
  EXPECT_EQ(tensor.dtype, DType::kBFloat16);
  EXPECT_EQ(tensor.draw_name, "");
  EXPECT_EQ(tensor.fan->layout, FanLayout::kInOut);
  EXPECT_TRUE(tensor.fan->transposed);
  ASSERT_EQ(parsed.selections.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Box>(parsed.selections[0].slice));
  EXPECT_EQ(Tensor({"--shape", "2,3,4", "--init", "normal", "--in-axes", "-1", "--out-axes", "0,1"})
                .fan->out_axes,
            (std::vector<std::int64_t>{0, 1}));
}

TEST(Flags, RecipesTakeSeedDtypeOnlyAndInit) {
  const Parsed parsed =
      Parse({"article_net", "--seed", "7", "--dtype", "float16", "--only", "fc[12]\\.weight"},
            SpecFlags::Takes::kRecipe);
  ASSERT_TRUE(parsed.spec.ok()) << parsed.spec.status();
  EXPECT_EQ(parsed.spec->recipe.seed, 7u);
  for (const TensorSpec& tensor : parsed.spec->recipe.tensors) {
    EXPECT_EQ(tensor.dtype, DType::kFloat16);
  }
  ASSERT_EQ(parsed.selections.size(), 2u);
  EXPECT_EQ(parsed.selections[1].name, "fc2.weight");
}

TEST(Flags, NumbersAreReadStrictly) {
  for (const char* flag : {"--seed", "--subsequence"}) {
    for (const char* text : {"-1", "18446744073709551616", "010", "0x10", "1e3", "+1", " 1", ""}) {
      const Parsed parsed = Parse({"--shape", "2", "--init", "normal", flag, text});
      EXPECT_EQ(ExitCodeOf(parsed.spec.status()), 2) << flag << " " << text;
      EXPECT_THAT(std::string(parsed.spec.status().message()),
                  HasSubstr("is not a whole number from 0 to 18446744073709551615"));
    }
  }
  EXPECT_THAT(
      std::string(
          Parse({"--shape", "2", "--init", "normal", "--seed", "-1"}).spec.status().message()),
      HasSubstr("torch.manual_seed takes -1 for 18446744073709551615"));
  for (const char* text : {"010", "0x10", "many", "nan", "1e400"}) {
    const Parsed parsed = Parse({"--shape", "2,2", "--init", "lecun_normal", "--fan-in", text});
    EXPECT_EQ(ExitCodeOf(parsed.spec.status()), 2) << text;
  }
  EXPECT_EQ(Tensor({"--shape", "2", "--init", "lecun_normal", "--fan-in", "99999999999999999999"})
                .fan->fan_in,
            1e20);
}

TEST(Flags, ASliceOfTheTensorThatOnlyLeaves) {
  const Parsed parsed =
      Parse({"article_net", "--only", "fc1\\.weight", "--slice", "0:2"}, SpecFlags::Takes::kRecipe);
  ASSERT_TRUE(parsed.spec.ok()) << parsed.spec.status();
  ASSERT_EQ(parsed.selections.size(), 1u);
  EXPECT_EQ(parsed.selections[0].name, "fc1.weight");
  EXPECT_TRUE(std::holds_alternative<Box>(parsed.selections[0].slice));
}

TEST(Flags, OnlySuggestsWhatWouldMatch) {
  const auto refusal = [](const char* only) {
    const Parsed parsed = Parse({"resnet50", "--only", only}, SpecFlags::Takes::kRecipe);
    return std::string(parsed.spec.status().message());
  };
  EXPECT_THAT(refusal("fc"), HasSubstr("try '.*(fc).*'"));
  EXPECT_THAT(refusal("nomatch.*"), ::testing::Not(HasSubstr("try")));
}

TEST(Flags, IntegerTensorsOfARecipeKeepTheirType) {
  const Parsed parsed = Parse({"resnet50", "--dtype", "bfloat16"}, SpecFlags::Takes::kEither);
  ASSERT_TRUE(parsed.spec.ok()) << parsed.spec.status();
  EXPECT_EQ(parsed.spec->recipe.tensors[0].dtype, DType::kBFloat16);
  EXPECT_EQ(parsed.spec->recipe.tensors[5].dtype, DType::kInt64);
}

TEST(Flags, RefusalsAndTheirExitCodes) {
  using Takes = SpecFlags::Takes;
  struct Case {
    std::vector<std::string> arguments;
    Takes takes;
    int exit_code;
    const char* refusal;
  };
  const Case cases[] = {
      {{}, Takes::kTensor, 2, "--shape is missing"},
      {{"--shape", "2"}, Takes::kTensor, 2, "--init is missing"},
      {{"--shape", "2,", "--init", "zeros", "--std", "1"}, Takes::kTensor, 2, "no such parameter"},
      {{"--shape", "2,,3", "--init", "zeros"}, Takes::kTensor, 2, "--shape: '2,,3'"},
      {{"--shape", "2;3", "--init", "zeros"}, Takes::kTensor, 2, "--shape: '2;3'"},
      {{"--shape", "-2", "--init", "zeros"}, Takes::kTensor, 1, "tensor.shape"},
      {{"--shape", "2", "--init", "normall"}, Takes::kTensor, 2, "--init: "},
      {{"--shape", "2", "--init", "normal(std=1)", "--mean", "1"}, Takes::kTensor, 2, "--mean"},
      {{"--shape", "2", "--init", "normal", "--std", "1, mean=5"}, Takes::kTensor, 2, "--std"},
      {{"--shape", "2", "--init", "normal", "--std", "-1"}, Takes::kTensor, 1, "init.normal.std"},
      {{"--shape", "2", "--init", "normal", "--scale", "x"}, Takes::kTensor, 2, "--scale"},
      {{"--shape", "2", "--init", "normal", "--dtype", "f33"},
       Takes::kTensor,
       2,
       "--dtype: \"f33\" is not"},
      {{"--shape", "2", "--init", "normal", "--layout", "x"}, Takes::kTensor, 2, "--layout"},
      {{"--shape", "2", "--init", "normal", "--slice", "0:3"}, Takes::kTensor, 1, "--slice"},
      {{"--shape", "2", "--init", "normal", "--generator", "x"}, Takes::kTensor, 2, "--generator"},
      {{"--shape", "2", "--init", "normal", "--slice", "foo"},
       Takes::kTensor,
       2,
       "--slice: \"foo\" is not a slice"},
      {{"--shape", "2", "--init", "lecun_normal"}, Takes::kTensor, 1, "--fan-in and --fan-out"},
      {{"--shape", "2", "--init", "lecun_normal", "--fan-in", "-1"},
       Takes::kTensor,
       1,
       "--fan-in: "},
      {{"--shape", "2", "--init", ""}, Takes::kTensor, 2, "--init"},
      {{"resnet50", "--init", "zeros"}, Takes::kRecipe, 1, "--init is used for no tensor"},
      {{"resnet50", "--slice", "0:1"}, Takes::kRecipe, 2, "not of 320"},
      {{"resnet50", "--only", "fc.*", "--slice", "0:1"}, Takes::kRecipe, 2, "not of 2"},
      {{"resnet50", "--only", "fc\\.bias", "--slice", "0:1001"}, Takes::kRecipe, 1, "--slice"},
      {{"resnet50", "--scale", "2"}, Takes::kRecipe, 2, "--scale"},
      {{"resnet50", "--only", "nomatch.*"}, Takes::kRecipe, 1, "name of no tensor"},
      {{}, Takes::kEither, 2, "a RECIPE or --shape is missing"},
      {{"resnet50", "--shape", "2"}, Takes::kEither, 2, "only one of them"},
      {{"resnet51"}, Takes::kRecipe, 1, "did you mean 'resnet50'?"},
      {{"gpt2"}, Takes::kRecipe, 1, "TENSORS --rules gpt2"},
      {{"resnet50", "--constant", "a"}, Takes::kRecipe, 2, "is not NAME=NUMBER"},
      {{"--shape", "2", "--init", "ones", "--constant", "a=1"}, Takes::kEither, 2, "--constant"},
      {{"resnet50", "--only", "fc"}, Takes::kRecipe, 1, "of no tensor; try '.*(fc).*'"},
      {{"resnet50", "--only", "fc.wieght"}, Takes::kRecipe, 1, "did you mean 'fc.weight'?"},
      {{"resnet50", "--only", "("}, Takes::kRecipe, 2, "--only: "},
      {{"resnet50", "--std", "1"}, Takes::kRecipe, 2, "--std is a parameter"},
      {{"resnet50", "--fan-in", "1"}, Takes::kRecipe, 2, "go with --init"},
      {{"resnet50", "--name", "a"}, Takes::kEither, 2, "go with --shape"},
  };
  for (const Case& c : cases) {
    const Parsed parsed = Parse(c.arguments, c.takes);
    EXPECT_FALSE(parsed.spec.ok()) << c.refusal;
    EXPECT_THAT(std::string(parsed.spec.status().message()), HasSubstr(c.refusal));
    EXPECT_EQ(ExitCodeOf(parsed.spec.status()), c.exit_code) << parsed.spec.status();
  }
}

}  // namespace
}  // namespace weightinit::client
