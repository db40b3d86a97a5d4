// Selections checked against a plan, and the limits of a request.
#include "weightinit/selection.h"

#include <limits>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::FailsWith;
using test::IsInvalid;
using test::MustResolve;
using test::Spec;
using ::testing::ElementsAre;

constexpr auto kResourceExhausted = absl::StatusCode::kResourceExhausted;

ModelPlan Model() {
  Recipe recipe;
  recipe.tensors = {Spec("a", {10, 6, 4}, Normal{}), Spec("b", {}, Normal{}),
                    Spec("c", {0, 3}, Normal{}), Spec("n", {8}, Constant{3}, DType::kInt32)};
  recipe.renames = {{"model\\.(.*)", "\\1"}};
  return MustResolve(recipe);
}

absl::StatusOr<BoundSelection> BindIn(const Selection& selection) {
  return Bind(Model(), selection, "selections[2]");
}

TEST(BindTest, NothingSaidIsTheWholeTensor) {
  const auto bound = BindIn({.name = "a"});
  ASSERT_OK(bound);
  EXPECT_EQ(bound->tensor, 0);
  EXPECT_EQ(bound->dtype, DType::kFloat32);
  EXPECT_THAT(bound->shape, ElementsAre(10, 6, 4));
  EXPECT_THAT(bound->strides, ElementsAre(24, 4, 1));
  EXPECT_EQ(bound->base, 0);
  EXPECT_EQ(bound->count, 240);
  EXPECT_EQ(bound->num_bytes(), 960);
}

TEST(BindTest, ABoxHasStridesOfTheFullTensor) {
  const auto bound = BindIn({.name = "a", .slice = Box{{{1, 3, 4}, {2, {}, {}}, {3, 1, {}}}}});
  ASSERT_OK(bound);
  EXPECT_THAT(bound->shape, ElementsAre(3, 4, 1));
  EXPECT_EQ(bound->base, 1 * 24 + 2 * 4 + 3);
  EXPECT_EQ(bound->strides[0], 96);
  EXPECT_EQ(bound->strides[1], 4);
}

TEST(BindTest, AFlatRangeHasRank1) {
  const auto bound = BindIn({.name = "a", .slice = Range{7, {}, 3}});
  ASSERT_OK(bound);
  EXPECT_THAT(bound->shape, ElementsAre(78));
  EXPECT_THAT(bound->strides, ElementsAre(3));
  EXPECT_EQ(bound->base, 7);
}

TEST(BindTest, TheLastElementByTheLargestStepIsReached) {
  EXPECT_OK(BindIn({.name = "a", .slice = Range{0, 2, 239}}));
  EXPECT_THAT(BindIn({.name = "a", .slice = Range{0, 2, 240}}),
              IsInvalid("selections[2].slice.flat.size", "allowed: 0 to 1"));
  EXPECT_OK(BindIn({.name = "a", .slice = Range{0, 1, std::numeric_limits<std::int64_t>::max()}}));
}

TEST(BindTest, EmptyPartsAreValid) {
  for (const Selection& selection :
       {Selection{.name = "a", .slice = Range{240, {}, {}}},
        Selection{.name = "a", .slice = Range{5, 0, {}}}, Selection{.name = "c"},
        Selection{.name = "a", .byte_count = 0}, Selection{.name = "a", .first_byte = 960}}) {
    const auto bound = BindIn(selection);
    ASSERT_OK(bound);
    EXPECT_EQ(bound->count, 0);
  }
}

TEST(BindTest, AScalarIsABoxWithoutDimensions) {
  EXPECT_EQ(BindIn({.name = "b"})->count, 1);
  EXPECT_EQ(BindIn({.name = "b", .slice = Box{}})->count, 1);
  EXPECT_EQ(BindIn({.name = "b", .slice = Range{}})->count, 1);
}

TEST(BindTest, BytesCutTheSliceInWholeElements) {
  const auto bound =
      BindIn({.name = "a", .slice = Range{0, 100, 2}, .first_byte = 40, .byte_count = 80});
  ASSERT_OK(bound);
  EXPECT_EQ(bound->first, 10);
  EXPECT_EQ(bound->count, 20);
}

TEST(BindTest, BytesAreThoseOfTheDTypeAskedFor) {
  const auto bound =
      BindIn({.name = "a", .first_byte = 2, .byte_count = 6, .dtype = DType::kBFloat16});
  ASSERT_OK(bound);
  EXPECT_EQ(bound->first, 1);
  EXPECT_EQ(bound->count, 3);
  EXPECT_EQ(bound->num_bytes(), 6);
}

TEST(BindTest, RefusalsNameTheFieldBelowTheSelection) {
  const std::string at = "selections[2].";
  EXPECT_THAT(BindIn({.name = "x"}),
              FailsWith(absl::StatusCode::kNotFound, at + "name", "no tensor is named \"x\""));
  EXPECT_THAT(BindIn({.name = "a", .slice = Box{{{}, {}}}}),
              IsInvalid(at + "slice.box.dims", "2 ranges for the shape [10, 6, 4]"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Box{{{}, {7, {}, {}}, {}}}}),
              IsInvalid(at + "slice.box.dims[1].start", "allowed: 0 to 6"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Box{{{-1, {}, {}}, {}, {}}}}),
              IsInvalid(at + "slice.box.dims[0].start"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Box{{{}, {}, {2, 3, {}}}}}),
              IsInvalid(at + "slice.box.dims[2].size", "allowed: 0 to 2"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Box{{{}, {}, {2, -1, {}}}}}),
              IsInvalid(at + "slice.box.dims[2].size"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Range{0, {}, 0}}), IsInvalid(at + "slice.flat.step"));
  EXPECT_THAT(BindIn({.name = "a", .slice = Range{241, {}, {}}}),
              IsInvalid(at + "slice.flat.start"));
  EXPECT_THAT(BindIn({.name = "a", .first_byte = 3}),
              IsInvalid(at + "first_byte", "a multiple of 4 from 0 to 960"));
  EXPECT_THAT(BindIn({.name = "a", .first_byte = 964}), IsInvalid(at + "first_byte"));
  EXPECT_THAT(BindIn({.name = "a", .first_byte = -4}), IsInvalid(at + "first_byte"));
  EXPECT_THAT(BindIn({.name = "a", .first_byte = 956, .byte_count = 8}),
              IsInvalid(at + "byte_count", "from 0 to 4"));
  EXPECT_THAT(BindIn({.name = "a", .byte_count = 6}), IsInvalid(at + "byte_count"));
  EXPECT_THAT(BindIn({.name = "a", .dtype = DType::kInt32}),
              IsInvalid(at + "dtype", "INT32 for a tensor of FLOAT32"));
  EXPECT_THAT(BindIn({.name = "n", .dtype = DType::kInt64}), IsInvalid(at + "dtype"));
  EXPECT_OK(BindIn({.name = "n", .dtype = DType::kFloat16}));
}

TEST(BindTest, WithoutAPathTheFieldStandsAlone) {
  EXPECT_THAT(Bind(Model(), {.name = "a", .first_byte = 3}, ""), IsInvalid("first_byte"));
}

TEST(BindTest, AnotherDTypeMustHoldTheConstant) {
  const ModelPlan plan = MustResolve(Spec("k", {2}, Constant{1e300}, DType::kFloat64));
  EXPECT_THAT(Bind(plan, {.name = "k", .dtype = DType::kFloat32}, "s"),
              IsInvalid("s.dtype", "cannot hold the value 1e+300"));
  EXPECT_OK(Bind(plan, {.name = "k"}, "s"));
}

TEST(BindTest, ASliceWhoseBytesReach2To63InAnotherDTypeIsRefused) {
  const ModelPlan plan =
      MustResolve(Spec("w", {std::int64_t{1} << 62}, Normal{}, DType::kFloat8E4M3FN));
  EXPECT_THAT(Bind(plan, {.name = "w", .dtype = DType::kFloat32}, "s"), IsInvalid("s.dtype"));
  EXPECT_OK(Bind(plan, {.name = "w", .slice = Range{0, 10, {}}, .dtype = DType::kFloat32}, "s"));
}

TEST(BindAllTest, NoneSelectsEverythingInRecipeOrder) {
  const ModelPlan plan = Model();
  const auto all = BindAll(plan, {});
  ASSERT_OK(all);
  ASSERT_EQ(all->size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ((*all)[static_cast<std::size_t>(i)].tensor, i);
    EXPECT_EQ((*all)[static_cast<std::size_t>(i)].count,
              plan.tensors[static_cast<std::size_t>(i)].num_elements);
  }
}

TEST(BindAllTest, TheSameNameMayStandTwice) {
  const std::vector<Selection> twice = {{.name = "a"}, {.name = "b"}, {.name = "a"}};
  const auto bound = BindAll(Model(), twice);
  ASSERT_OK(bound);
  EXPECT_EQ((*bound)[2].tensor, 0);
}

TEST(BindAllTest, TwoNamesForOneTensorAreRefused) {
  const std::vector<Selection> aliases = {{.name = "a"}, {.name = "model.a"}};
  EXPECT_THAT(BindAll(Model(), aliases),
              IsInvalid("selections[1].name", "\"model.a\" and \"a\" mean the same tensor"));
  EXPECT_THAT(BindAll(Model(), aliases, "request.selections"),
              IsInvalid("request.selections[1].name"));
}

TEST(BindAllTest, ErrorsStandAtTheirIndex) {
  const std::vector<Selection> bad = {{.name = "a"}, {.name = "a", .first_byte = 1}};
  EXPECT_THAT(BindAll(Model(), bad), IsInvalid("selections[1].first_byte"));
}

TEST(PartTest, CountsFromTheFirstSelectedElement) {
  const auto bound = BindIn({.name = "a", .first_byte = 40});
  const BoundSelection part = Part(Part(*bound, 5, 100), 3, 4);
  EXPECT_EQ(part.first, 18);
  EXPECT_EQ(part.count, 4);
}

TEST(CheckLimitsTest, CountsTheBytesAskedForNotTheFullShapes) {
  const ModelPlan plan = MustResolve(Spec("w", {std::int64_t{1} << 50}, Normal{}));
  const auto part = Bind(plan, {.name = "w", .slice = Range{0, 100, {}}}, "");
  const std::vector<BoundSelection> one = {*part}, two = {*part, *part};
  EXPECT_OK(CheckLimits(plan, one, {.max_response_bytes = 400}));
  EXPECT_THAT(CheckLimits(plan, one, {.max_response_bytes = 399}),
              FailsWith(kResourceExhausted, "max_response_bytes", "--max-response-bytes"));
  EXPECT_THAT(CheckLimits(plan, two, {.max_response_bytes = 799}),
              FailsWith(kResourceExhausted, "max_response_bytes", "more than 799 bytes"));
  EXPECT_OK(CheckLimits(plan, two, {.max_response_bytes = 800}));
}

TEST(CheckLimitsTest, SumsDoNotWrap) {
  const ModelPlan plan = MustResolve(Spec("w", {std::int64_t{1} << 62}, Zeros{}, DType::kUInt8));
  const auto all = SelectAll(plan)[0];
  const std::vector<BoundSelection> four(4, all);
  EXPECT_THAT(
      CheckLimits(plan, four, {.max_response_bytes = std::numeric_limits<std::int64_t>::max()}),
      FailsWith(kResourceExhausted, "max_response_bytes", ""));
}

// What making them takes: Q in binary32, a binary64 copy of 4 more rows whose short side is a
// multiple of 16, one panel of at most 64 columns in binary32, T of each (16 KiB) and signs.
TEST(CheckLimitsTest, MatricesAreMadeWholeForAnyPart) {
  struct Case {
    Initializer init;
    Shape shape;
    std::int64_t bytes;
  };
  for (const auto& [init, shape, bytes] :
       {Case{Orthogonal{},
             {128, 8, 16},
             128 * 128 * 4 + 132 * 128 * 8 + 132 * 64 * 4 + 2 * 16384 + 128},
        Case{Orthogonal{}, {124, 1}, 124 * 4 + 128 * 16 * (8 + 4) + 16384 + 128},
        Case{Orthogonal{}, {1, 124}, 124 * 4 + 128 * 16 * (8 + 4) + 16384 + 128},
        Case{DeltaOrthogonal{}, {124, 16, 7}, 124 * 16 * 4 + 128 * 16 * (8 + 4) + 16384 + 128},
        // A threshold per column, and the order of columns too long to be held by the dozen.
        Case{Sparse{.sparsity = 0.5}, {10, 10}, 80},
        Case{Sparse{.sparsity = 0.5}, {2'000'000, 3}, 8 * 3 * 2'000'001}}) {
    const ModelPlan plan = MustResolve(Spec("w", shape, init, DType::kBFloat16));
    const std::vector<BoundSelection> one = {Part(SelectAll(plan)[0], 3, 1)};
    EXPECT_OK(CheckLimits(plan, one, {.max_matrix_bytes = bytes}));
    EXPECT_THAT(CheckLimits(plan, one, {.max_matrix_bytes = bytes - 1}),
                FailsWith(kResourceExhausted, "max_matrix_bytes",
                          "takes " + std::to_string(bytes) + " bytes of memory"));
    const std::vector<BoundSelection> none = {Part(one[0], 0, 0)};
    EXPECT_OK(CheckLimits(plan, none, {.max_matrix_bytes = 0})) << "nothing is made for nothing";
  }
}

TEST(CheckLimitsTest, AMatrixOf2To64BytesIsOverEveryLimit) {
  const std::int64_t side = std::int64_t{1} << 31;
  for (const Initializer& init :
       {Initializer(Orthogonal{}), Initializer(Sparse{.sparsity = 0.5})}) {
    const ModelPlan plan = MustResolve(Spec("w", {side, side}, init, DType::kFloat8E4M3FN));
    const std::vector<BoundSelection> one = {Part(SelectAll(plan)[0], 0, 1)};
    EXPECT_THAT(CheckLimits(plan, one, {}), FailsWith(kResourceExhausted, "max_matrix_bytes", ""));
  }
}

}  // namespace
}  // namespace weightinit
