#include "client/formats/stored_slices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SafetensorsHeader HeaderWith(const std::string& slices) {
  SafetensorsHeader header;
  header.metadata[kSlicesKey] = slices;
  return header;
}

SafetensorsTensor TensorOf(const Shape& shape) {
  SafetensorsTensor tensor;
  tensor.name = "w";
  tensor.dtype = DType::kFloat32;
  tensor.shape = shape;
  return tensor;
}

TEST(StoredSlicesTest, AreReadBack) {
  const StoredSlices slices = {{"w", {{60, 10}, "0:20,0:10"}}, {"a \"b\"", {{3}, "3:3"}}};
  const auto read = ParseStoredSlices(HeaderWith(SlicesText(slices)), "f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 2u);
  const auto part = PartOf(TensorOf({20, 10}), *read, "f");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_THAT(part->full_shape, ElementsAre(60, 10));
  EXPECT_FALSE(part->is_whole);
  EXPECT_EQ(part->bound.count, 200);
  EXPECT_TRUE(ParseStoredSlices(SafetensorsHeader{}, "f")->empty());
}

TEST(StoredSlicesTest, AnEmptySliceIsOne) {
  const Slice slice = Box{{Range{3, 0, {}}}};
  EXPECT_EQ(SliceText(slice, {0}), "3:3");
  const auto part = PartOf(TensorOf({0}), {{"w", {{3}, "3:3"}}}, "f");
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->bound.count, 0);
}

TEST(StoredSlicesTest, WhatTheShapeDeniesIsRefused) {
  for (const char* slice : {"0:21,0:10", "0:20", "0:20,5:10", "0:20,0:1x", "flat:0:200"}) {
    const auto part = PartOf(TensorOf({20, 10}), {{"w", {{60, 11}, slice}}}, "f");
    EXPECT_THAT(part.status().message(), HasSubstr("which its metadata denies")) << slice;
  }
  EXPECT_FALSE(PartOf(TensorOf({1}), {{"w", {{-1}, "0:1"}}}, "f").ok());
}

TEST(StoredSlicesTest, WhatIsNoListIsRefused) {
  for (const char* bad :
       {"", "[]", "{", R"({"w": 1})", R"({"w": {"shape": [1]}})",
        R"({"w": {"shape": "1", "slice": "0:1"}})", R"({"w": {"shape": [1.5], "slice": "0:1"}})",
        R"({"w": {"shape": [1], "slice": 0}})"}) {
    EXPECT_THAT(ParseStoredSlices(HeaderWith(bad), "f").status().message(),
                HasSubstr("f: weightinit.slices"))
        << bad;
  }
}

}  // namespace
}  // namespace weightinit::client
