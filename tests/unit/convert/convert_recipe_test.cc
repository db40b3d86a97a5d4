#include "proto/convert_recipe.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "weightinit/status.h"

namespace weightinit::proto {
namespace {

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

// Enums: the numbers agree because the names do.
// ----------------------------------------------------------------------------

TEST(Enums, DTypesHaveTheSameNamesAndNumbers) {
  for (const DType dtype : AllDTypes()) EXPECT_EQ(v1::DType_Name(ToProto(dtype)), Name(dtype));
  EXPECT_EQ(v1::DType_descriptor()->value_count(), static_cast<int>(AllDTypes().size()) + 1);
}

template <typename T>
void ExpectSameNames(const google::protobuf::EnumDescriptor& proto) {
  for (int i = 0; i < proto.value_count(); ++i) {
    if (proto.value(i)->number() == 0) continue;
    EXPECT_EQ(proto.value(i)->name(), Name(static_cast<T>(proto.value(i)->number())));
  }
}

TEST(Enums, OthersHaveTheSameNamesAndNumbers) {
  ExpectSameNames<FanMode>(*v1::FanMode_descriptor());
  ExpectSameNames<Nonlinearity>(*v1::Nonlinearity_descriptor());
  ExpectSameNames<TruncationBounds>(*v1::TruncatedNormal::Bounds_descriptor());
  ExpectSameNames<VarianceScalingDistribution>(*v1::VarianceScaling::Distribution_descriptor());
  ExpectSameNames<FanLayout>(*v1::FanGeometry::Layout_descriptor());
  EXPECT_EQ(v1::Nonlinearity_descriptor()->value_count(),
            static_cast<int>(AllNonlinearities().size()) + 1);
}

// Initializers
// ----------------------------------------------------------------------------

std::vector<Initializer> SomeOfEveryKind() {
  return {Zeros(),
          Ones(),
          Constant(),
          Constant{.value = -0.0},
          Eye(),
          Eye{.gain = 0},
          Dirac(),
          Dirac{.groups = 4},
          Uniform(),
          Uniform{.low = -0.0, .high = 0},
          Uniform{.low = -3, .high = 1e300},
          Normal(),
          Normal{.mean = 2, .std = 0},
          TruncatedNormal(),
          TruncatedNormal{.mean = 1,
                          .std = 0.5,
                          .low = -std::numeric_limits<double>::infinity(),
                          .high = 0,
                          .bounds = TruncationBounds::kAbsolute,
                          .correct_variance = true},
          XavierUniform(),
          XavierUniform{.gain = 0, .nonlinearity = {}, .negative_slope = {}},
          XavierUniform{.gain = {}, .nonlinearity = Nonlinearity::kLeakyRelu, .negative_slope = 0},
          XavierNormal(),
          XavierNormal{.gain = 2, .nonlinearity = {}, .negative_slope = {}},
          KaimingUniform(),
          KaimingUniform{
              .mode = FanMode::kFanOut, .nonlinearity = Nonlinearity::kRelu, .negative_slope = {}},
          KaimingNormal(),
          KaimingNormal{.mode = FanMode::kFanIn,
                        .nonlinearity = Nonlinearity::kLeakyRelu,
                        .negative_slope = std::sqrt(5.0)},
          LecunUniform(),
          LecunNormal(),
          VarianceScaling(),
          VarianceScaling{.scale = 0,
                          .mode = FanMode::kFanGeoAvg,
                          .distribution = VarianceScalingDistribution::kUniform},
          Orthogonal(),
          Orthogonal{.gain = 0},
          DeltaOrthogonal(),
          DeltaOrthogonal{.gain = 3},
          Sparse(),
          Sparse{.sparsity = 0, .std = 0}};
}

TEST(Initializers, ComeBackEqualAndCoverEveryKind) {
  std::vector<bool> seen(std::variant_size_v<Initializer>);
  for (const Initializer& init : SomeOfEveryKind()) {
    const v1::Initializer message = ToProto(init);
    const auto back = FromProto(message, "init");
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, init) << ToString(init);
    seen[init.index()] = true;
    // The oneof's field has the method's name.
    EXPECT_EQ(v1::Initializer::descriptor()->FindFieldByNumber(message.kind_case())->name(),
              MethodName(init));
  }
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_TRUE(seen[i]) << "kind " << i;
  EXPECT_EQ(static_cast<int>(seen.size()), v1::Initializer::descriptor()->field_count());
}

TEST(Initializers, MinusZeroKeepsItsSign) {
  const auto back = FromProto(ToProto(Initializer(Constant{.value = -0.0})), "init");
  ASSERT_TRUE(back.ok());
  EXPECT_TRUE(std::signbit(*std::get<Constant>(*back).value));
}

TEST(Initializers, EmptyMessageIsRefusedWithItsPath) {
  const auto result = FromProto(v1::Initializer(), "tensors[3].init");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TextOf(result.status()).find("tensors[3].init: "), 0u) << result.status();
}

TEST(Initializers, UnspecifiedEnumsAreDefaults) {
  v1::Initializer message;
  message.mutable_kaiming_uniform();
  EXPECT_EQ(*FromProto(message, "init"), Initializer(KaimingUniform()));
  message.mutable_xavier_normal()->set_nonlinearity(v1::NONLINEARITY_UNSPECIFIED);
  EXPECT_EQ(*FromProto(message, "init"), Initializer(XavierNormal()));
}

TEST(Initializers, UnknownEnumValueIsRefusedWithItsPath) {
  v1::Initializer message;
  message.mutable_kaiming_normal()->set_mode(static_cast<v1::FanMode>(9));
  EXPECT_EQ(TextOf(FromProto(message, "rules[2].init").status()),
            "rules[2].init.kaiming_normal.mode: unknown value 9");
}

// Recipes
// ----------------------------------------------------------------------------

Recipe FullRecipe() {
  Recipe recipe;
  recipe.seed = ~std::uint64_t{0};
  recipe.default_dtype = DType::kBFloat16;
  recipe.constants = {{"layers", 12}};
  recipe.allow_uncovered = recipe.allow_idle = true;
  TensorSpec tensor;
  tensor.name = "h.0.weight";
  tensor.shape = {4, 0, 3};
  tensor.dtype = DType::kFloat64;
  tensor.init = Normal{.mean = 0, .std = 0.02};
  tensor.fan = FanGeometry();
  tensor.fan->layout = FanLayout::kInOut;
  tensor.fan->transposed = true;
  tensor.fan->groups = 2;
  tensor.fan->in_axes = {-1};
  tensor.fan->out_axes = {0, 1};
  tensor.fan->batch_axes = {2};
  tensor.fan->fan_in = 0;
  tensor.fan->fan_out = 7;
  tensor.fan->fans_of = "weight";
  tensor.module = "Conv2d";
  tensor.buffer = true;
  tensor.draw_name = "";
  tensor.subsequence = 0;
  tensor.seed = 0;
  tensor.scale = 0;
  recipe.tensors = {tensor, TensorSpec()};
  Rule rule;
  rule.name_regex = "h\\..*";
  rule.module = "Linear";
  rule.init = Zeros();
  rule.fan = FanGeometry();
  rule.scale = "1/2";
  rule.seed = 3;
  rule.skip = rule.may_be_idle = true;
  recipe.rules = {rule, Rule()};
  recipe.renames = {{"model\\.(.*)", "\\1"}};
  return recipe;
}

TEST(Recipes, ComeBackEqual) {
  const auto back = FromProto(ToProto(FullRecipe()), "");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, FullRecipe());
  EXPECT_EQ(*FromProto(ToProto(Recipe()), ""), Recipe());
}

TEST(Recipes, ReplaysComeBackEqual) {
  Recipe recipe;
  TorchCpu torch;
  torch.variant = TorchCpu::Variant::kDefaultFma;
  torch.torch_version = "1.13";
  torch.start_state = std::string("\0\xff", 2);
  recipe.generator = torch;
  recipe.draws = {{"a", Normal{.std = 0.25}, ""}, {"b", std::nullopt, ""}, {"", std::nullopt, "m"}};
  const auto back = FromProto(ToProto(recipe), "");
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(*back, recipe);
  EXPECT_EQ(*FromProto(ToProto(Generator(TorchCpu{})), ""), Generator(TorchCpu{}));
}

TEST(Recipes, EveryTorchVariantHasItsNumber) {
  for (int number = 1; number < v1::TorchCpu::Variant_ARRAYSIZE; ++number) {
    EXPECT_EQ(v1::TorchCpu::Variant_Name(number), Name(static_cast<TorchCpu::Variant>(number)));
  }
  v1::Generator message;
  message.mutable_torch_cpu()->set_variant(static_cast<v1::TorchCpu::Variant>(9));
  const auto refused = FromProto(message, "generator");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("generator.torch_cpu.variant"), std::string::npos);
}

ViewPart FullPart(std::string name) {
  ViewPart part;
  part.name = std::move(name);
  part.init = Normal{.std = 0.25};
  part.fan.emplace().groups = 3;
  part.scale = 0;
  part.seed = 0;
  return part;
}

TEST(Views, ComeBackEqual) {
  ViewPart concat_part = FullPart("q");
  concat_part.size = 12;
  concat_part.subsequence = 0;
  ViewPart stack_part = FullPart("e.{}");
  stack_part.view = View{Concat{{concat_part, ViewPart()}, -1, 2}, {Range{1, 2, 3}}};
  const View views[] = {
      View{{}, {Range{5, {}, {}}, Range{}}},
      View{Concat{{concat_part}, 1, {}}, {}},
      View{Stack{stack_part, 4, 1, 16}, {}},
      View{Transpose{{}, {}}, {Range{0, 1, {}}}},
      View{Transpose{{1, 0}, View{TiedTo{"embed"}, {}}}, {}},
      View{TiedTo{"embed"}, {}},
      View{},
  };
  for (const View& view : views) {
    const auto back = FromProto(ToProto(view), "view");
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, view);
    // At both places where views stand.
    Recipe recipe;
    recipe.tensors.emplace_back().view = view;
    recipe.rules.emplace_back().view = view;
    EXPECT_EQ(*FromProto(ToProto(recipe), ""), recipe);
  }
}

TEST(Views, PathsLeadIntoThem) {
  v1::Recipe message;
  message.add_tensors();
  v1::Concat& concat = *message.add_tensors()->mutable_view()->mutable_concat();
  concat.add_parts();
  concat.add_parts()->mutable_view()->mutable_stack()->mutable_part()->mutable_init();
  EXPECT_EQ(TextOf(FromProto(message, "").status())
                .find("tensors[1].view.concat.parts[1].view.stack.part.init: "),
            0u);
}

TEST(Recipes, GeneratorWithoutAKindIsPhilox) {
  EXPECT_EQ(*FromProto(v1::Generator(), "generator"), Generator(PhiloxV1()));
  for (const Generator& generator :
       {Generator(PhiloxV1()), Generator(TorchCpu()), Generator(JaxThreefry()),
        Generator(JaxThreefry{JaxThreefry::Layout::kLegacy, {7, 0xFFFFFFFF}})}) {
    EXPECT_EQ(*FromProto(ToProto(generator), ""), generator);
  }
  EXPECT_EQ(v1::JaxThreefry::LEGACY, static_cast<int>(JaxThreefry::Layout::kLegacy));
}

TEST(Recipes, EmptyRegexMatchesAnything) {
  const auto rule = FromProto(v1::Rule(), "rules[0]");
  EXPECT_EQ(rule->name_regex, std::nullopt);
  EXPECT_EQ(rule->module, std::nullopt);
}

TEST(Recipes, PathsHaveIndices) {
  v1::Recipe message;
  message.add_tensors();
  message.add_tensors()->mutable_init();
  EXPECT_EQ(TextOf(FromProto(message, "").status()).find("tensors[1].init: "), 0u);
  message.mutable_tensors(1)->clear_init();
  for (int i = 0; i < 3; ++i) message.add_rules();
  message.mutable_rules(2)->mutable_init();
  EXPECT_EQ(TextOf(FromProto(message, "").status()).find("rules[2].init: "), 0u);
}

// Selections and requests
// ----------------------------------------------------------------------------

TEST(Slices, ComeBackEqual) {
  for (const Slice& slice :
       {Slice(Box()), Slice(Box{{Range{1, 0, 3}, Range()}}), Slice(Range{5, 6, std::nullopt})}) {
    EXPECT_EQ(*FromProto(ToProto(slice), "slice"), slice);
  }
}

TEST(Slices, EmptyMessageIsRefused) {
  EXPECT_EQ(
      TextOf(FromProto(v1::Slice(), "selections[0].slice").status()).find("selections[0].slice: "),
      0u);
}

TEST(Selections, ComeBackEqual) {
  RequestedSelection requested;
  requested.selection.name = "a";
  requested.selection.slice = Range{1, 2, 3};
  requested.selection.first_byte = 8;
  requested.selection.byte_count = 0;
  requested.selection.dtype = DType::kFloat16;
  const auto back = FromProto(ToProto(requested), "selections[0]");
  ASSERT_TRUE(back.ok());
  EXPECT_FALSE(back->tensor.has_value());
  EXPECT_EQ(back->selection.name, "a");
  EXPECT_EQ(back->selection.slice, requested.selection.slice);
  EXPECT_EQ(back->selection.first_byte, 8);
  EXPECT_EQ(back->selection.byte_count, 0);
  EXPECT_EQ(back->selection.dtype, DType::kFloat16);

  requested.tensor = TensorSpec();
  requested.tensor->name = "own";
  EXPECT_EQ(FromProto(ToProto(requested), "")->tensor, requested.tensor);
}

TEST(Selections, WithoutATensorAreRefused) {
  EXPECT_EQ(TextOf(FromProto(v1::Selection(), "selections[1]").status()).find("selections[1]: "),
            0u);
}

TEST(Selections, BytesBeyondTheLibrarysTypeAreRefused) {
  v1::Selection message;
  message.set_name("a");
  message.set_first_byte(std::uint64_t{1} << 63);
  EXPECT_EQ(TextOf(FromProto(message, "selections[0]").status()).find("selections[0].first_byte: "),
            0u);
  message.set_first_byte((std::uint64_t{1} << 63) - 1);
  EXPECT_TRUE(FromProto(message, "selections[0]").ok());
  message.set_byte_count(~std::uint64_t{0});
  EXPECT_EQ(TextOf(FromProto(message, "selections[0]").status()).find("selections[0].byte_count: "),
            0u);
}

TEST(Requests, ForATensorComeBackEqual) {
  TensorRequest request;
  request.tensor.name = "w";
  request.tensor.shape = {3};
  request.tensor.init = Ones();
  request.seed = 42;
  request.selection.name = "w";
  request.selection.slice = Box{{Range{0, 2, std::nullopt}}};
  request.check = {.digest = true, .sha256 = true};
  const auto back = FromProto(ToProto(request));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->tensor, request.tensor);
  EXPECT_EQ(back->seed, 42u);
  EXPECT_EQ(back->selection.slice, request.selection.slice);
  EXPECT_EQ(back->check, request.check);
}

TEST(Requests, RequiredPartsAreRequired) {
  EXPECT_EQ(TextOf(FromProto(v1::InitializeTensorRequest()).status()), "tensor: required");
  EXPECT_EQ(TextOf(FromProto(v1::InitializeModelRequest()).status()).find("source: "), 0u);
  EXPECT_EQ(TextOf(FromProto(v1::SummarizeRequest()).status()).find("source: "), 0u);
}

TEST(Requests, FingerprintsHave32Bytes) {
  ModelRequest request;
  request.source = Fingerprint{1, 2, 3};
  EXPECT_EQ(std::get<Fingerprint>(FromProto(ToProto(request))->source), (Fingerprint{1, 2, 3}));
  v1::InitializeModelRequest message;
  message.set_fingerprint(std::string(31, 'x'));
  EXPECT_EQ(TextOf(FromProto(message).status()).find("fingerprint: "), 0u);
}

TEST(Requests, SummariesHave64BinsUnlessTheySayOtherwise) {
  v1::SummarizeRequest message;
  message.mutable_recipe();
  EXPECT_EQ(FromProto(message)->histogram_bins, 64);
  message.set_histogram_bins(0);
  EXPECT_EQ(FromProto(message)->histogram_bins, 0);
  message.set_histogram_bins(~0u);
  EXPECT_GT(FromProto(message)->histogram_bins, 1024);
}

}  // namespace
}  // namespace weightinit::proto
