#include "weightinit/shape.h"

#include <limits>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::IsInvalid;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(NumElementsTest, AScalarHasOneElement) {
  EXPECT_EQ(*NumElements({}, DType::kFloat32, "shape"), 1);
}

TEST(NumElementsTest, IsTheProduct) {
  EXPECT_EQ(*NumElements(Shape{64, 3, 7, 7}, DType::kFloat32, "shape"), 9408);
}

TEST(NumElementsTest, AnyZeroMakesTheTensorEmpty) {
  EXPECT_EQ(*NumElements(Shape{0}, DType::kFloat32, "shape"), 0);
  EXPECT_EQ(*NumElements(Shape{5, 0, 7}, DType::kFloat32, "shape"), 0);
  EXPECT_EQ(*NumElements(Shape{0, 0}, DType::kFloat64, "shape"), 0);
}

TEST(NumElementsTest, TheLastElementCountBelow2To63IsAllowed) {
  EXPECT_EQ(*NumElements(Shape{kMax}, DType::kUInt8, "shape"), kMax);
  EXPECT_EQ(*NumElements(Shape{kMax, 1, 1}, DType::kFloat8E4M3FN, "shape"), kMax);
}

TEST(NumElementsTest, TwoTo63ElementsAreRefused) {
  EXPECT_THAT(NumElements(Shape{std::int64_t{1} << 62, 2}, DType::kUInt8, "shape"),
              IsInvalid("shape", "2^63 elements"));
  EXPECT_THAT(NumElements(Shape{kMax, 2}, DType::kUInt8, "shape"),
              IsInvalid("shape", "2^63 elements"));
}

TEST(NumElementsTest, ProductsThatWrapTo0AreRefused) {
  const std::int64_t big = std::int64_t{1} << 32;
  EXPECT_THAT(NumElements(Shape{big, big}, DType::kUInt8, "shape"),
              IsInvalid("shape", "2^63 elements"));
  EXPECT_THAT(NumElements(Shape{big, big, big, big}, DType::kUInt8, "shape"), IsInvalid("shape"));
}

TEST(NumElementsTest, ByteCountsAreBoundedLikeElementCounts) {
  for (const DType dtype : AllDTypes()) {
    const std::int64_t most = kMax / SizeBytes(dtype);
    EXPECT_EQ(*NumElements(Shape{most}, dtype, "shape"), most) << Name(dtype);
    if (SizeBytes(dtype) == 1) continue;
    EXPECT_THAT(NumElements(Shape{most + 1}, dtype, "shape"), IsInvalid("shape", "2^63 bytes"))
        << Name(dtype);
  }
}

TEST(NumElementsTest, AZeroDoesNotExcuseAnImpossibleShape) {
  const std::int64_t big = std::int64_t{1} << 32;
  EXPECT_THAT(NumElements(Shape{0, big, big}, DType::kFloat32, "shape"), IsInvalid("shape"));
  EXPECT_THAT(NumElements(Shape{big, big, 0}, DType::kFloat32, "shape"), IsInvalid("shape"));
}

TEST(NumElementsTest, NegativeDimensionsAreRefusedAtTheirPlace) {
  EXPECT_THAT(NumElements(Shape{3, -1}, DType::kFloat32, "tensors[4].shape"),
              IsInvalid("tensors[4].shape[1]", "-1 is negative"));
  EXPECT_THAT(NumElements(Shape{0, -1}, DType::kFloat32, "shape"), IsInvalid("shape[1]"));
  EXPECT_THAT(
      NumElements(Shape{std::numeric_limits<std::int64_t>::min()}, DType::kFloat32, "shape"),
      IsInvalid("shape[0]"));
}

TEST(NumElementsTest, RankIsBounded) {
  EXPECT_OK(NumElements(Shape(kMaxRank, 1), DType::kFloat32, "shape"));
  EXPECT_THAT(NumElements(Shape(kMaxRank + 1, 1), DType::kFloat32, "shape"),
              IsInvalid("shape", "33 dimensions"));
}

TEST(ShapeTest, TextFormIsThatOfTorch) {
  EXPECT_EQ(ToString(Shape{}), "[]");
  EXPECT_EQ(ToString(Shape{64}), "[64]");
  EXPECT_EQ(ToString(Shape{64, 3, 7, 7}), "[64, 3, 7, 7]");
}

// ParseSlice.
// ----------------------------------------------------------------------------

Slice Parsed(std::string_view text, const Shape& shape) {
  auto slice = ParseSlice(text, shape);
  EXPECT_THAT(slice, test::IsOk()) << text;
  return slice.ok() ? *slice : Slice();
}

Slice BoxOf(std::vector<Range> dims) { return Box{std::move(dims)}; }

TEST(ParseSliceTest, RangesPerDimension) {
  EXPECT_EQ(Parsed("0:128,::2", {256, 9}), BoxOf({{0, 128, 1}, {0, 5, 2}}));
  EXPECT_EQ(Parsed("10:20:3,:", {256, 4}), BoxOf({{10, 4, 3}, {0, 4, 1}}));
}

TEST(ParseSliceTest, NegativeNumbersCountFromTheEnd) {
  EXPECT_EQ(Parsed("-3:,:-1", {10, 5}), BoxOf({{7, 3, 1}, {0, 4, 1}}));
  EXPECT_EQ(Parsed("-10:-10", {10}), BoxOf({{0, 0, 1}}));
}

TEST(ParseSliceTest, ASingleNumberKeepsTheDimension) {
  EXPECT_EQ(Parsed("3,-1", {10, 5}), BoxOf({{3, 1, 1}, {4, 1, 1}}));
}

TEST(ParseSliceTest, MissingTrailingDimensionsAreWhole) {
  EXPECT_EQ(Parsed("3", {10, 5, 2}), BoxOf({{3, 1, 1}, Range{}, Range{}}));
}

TEST(ParseSliceTest, AnEllipsisStandsForAnyNumberOfWholeDimensions) {
  EXPECT_EQ(Parsed("...", {10, 5}), BoxOf({Range{}, Range{}}));
  EXPECT_EQ(Parsed("...,1", {10, 5, 4}), BoxOf({Range{}, Range{}, {1, 1, 1}}));
  EXPECT_EQ(Parsed("1,...,2", {10, 5, 4, 3}), BoxOf({{1, 1, 1}, Range{}, Range{}, {2, 1, 1}}));
  EXPECT_EQ(Parsed("1,...,2", {10, 5}), BoxOf({{1, 1, 1}, {2, 1, 1}}));
  EXPECT_EQ(Parsed("...", {}), BoxOf({}));
}

TEST(ParseSliceTest, FlatIsARangeOfTheRowMajorOrder) {
  EXPECT_EQ(Parsed("flat:100:200:2", {40, 10}), Slice(Range{100, 50, 2}));
  EXPECT_EQ(Parsed("flat:-1:", {40, 10}), Slice(Range{399, 1, 1}));
  EXPECT_EQ(Parsed("flat:7", {40, 10}), Slice(Range{7, 1, 1}));
  EXPECT_EQ(Parsed("flat::", {3}), Slice(Range{0, 3, 1}));
  EXPECT_EQ(Parsed("flat:0", {}), Slice(Range{0, 1, 1}));
}

TEST(ParseSliceTest, SpacesDoNotMatter) {
  EXPECT_EQ(Parsed(" 0 : 2 , 1 ", {4, 4}), BoxOf({{0, 2, 1}, {1, 1, 1}}));
}

TEST(ParseSliceTest, AScalarTakesTheEmptySlice) { EXPECT_EQ(Parsed("", {}), BoxOf({})); }

TEST(ParseSliceTest, AnEmptyDimensionTakesTheEmptyRange) {
  EXPECT_EQ(Parsed(":", {0}), BoxOf({{0, 0, 1}}));
  EXPECT_EQ(Parsed("0:0", {0}), BoxOf({{0, 0, 1}}));
  EXPECT_THAT(ParseSlice("0", Shape{0}), IsInvalid("slice"));
}

TEST(ParseSliceTest, ARefusalSaysWhatIsWrong) {
  const Shape shape{4};
  EXPECT_THAT(ParseSlice("foo", shape), IsInvalid("slice", "\"foo\" is not a slice"));
  EXPECT_THAT(ParseSlice("0:1:1:1", shape), IsInvalid("slice", "is not a slice"));
  EXPECT_THAT(ParseSlice("::-1", shape), IsInvalid("slice", "has a step below 1"));
  EXPECT_THAT(ParseSlice("3:2", shape), IsInvalid("slice", "stops before it starts"));
  EXPECT_THAT(ParseSlice("0:5", shape), IsInvalid("slice", "outside a dimension of size 4"));
  EXPECT_THAT(ParseSlice("-5", shape), IsInvalid("slice", "outside a dimension of size 4"));
}

struct BadSlice {
  std::string text;
  Shape shape;
  friend void PrintTo(const BadSlice& bad, std::ostream* out) {
    *out << '"' << bad.text << "\" of " << ToString(bad.shape);
  }
};

class BadSliceTest : public ::testing::TestWithParam<BadSlice> {};

TEST_P(BadSliceTest, IsRefused) {
  EXPECT_THAT(ParseSlice(GetParam().text, GetParam().shape, "x.slice"), IsInvalid("x.slice"))
      << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSliceTest,
    ::testing::Values(BadSlice{"0:11", {10}}, BadSlice{"11:", {10}}, BadSlice{"10", {10}},
                      BadSlice{"-11", {10}}, BadSlice{"-11:", {10}}, BadSlice{"5:4", {10}},
                      BadSlice{"::0", {10}}, BadSlice{"::-1", {10}}, BadSlice{"0:1:1:1", {10}},
                      BadSlice{"a", {10}}, BadSlice{"", {10}}, BadSlice{"1.5", {10}},
                      BadSlice{"1,2", {10}}, BadSlice{"0", {}}, BadSlice{"...,...", {10, 10}},
                      BadSlice{"1,2,...,3", {10, 10}}, BadSlice{"flat:0:101", {10, 10}},
                      BadSlice{"flat:", {10}}, BadSlice{"flat:100", {10, 10}},
                      BadSlice{"0:99999999999999999999", {10}}, BadSlice{"0,", {10}},
                      BadSlice{"0:9223372036854775807", {10}},
                      BadSlice{"-9223372036854775808:", {10}}));

}  // namespace
}  // namespace weightinit
