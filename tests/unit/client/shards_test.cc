#include "client/formats/shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ShardsTest, SizesAreDecimalUnlessTheySayOtherwise) {
  EXPECT_EQ(*ParseByteSize("5GB"), 5'000'000'000);
  EXPECT_EQ(*ParseByteSize("500 mb"), 500'000'000);
  EXPECT_EQ(*ParseByteSize("2GiB"), std::int64_t{2} << 30);
  EXPECT_EQ(*ParseByteSize("1000"), 1000);
  EXPECT_EQ(*ParseByteSize("7B"), 7);
  for (const char* bad : {"", "GB", "0", "0GB", "-1GB", "1.5GB", "5XB", "5GBB",
                          "9223372036854775808", "9223372037GB", " 5GB"}) {
    EXPECT_FALSE(ParseByteSize(bad).ok()) << bad;
  }
}

TEST(ShardsTest, AreFilledOneAfterTheOther) {
  const std::vector<std::int64_t> sizes = {4, 4, 4, 1};
  EXPECT_THAT(DivideIntoShards(sizes, 8), ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(DivideIntoShards(sizes, 100), ElementsAre(ElementsAre(0, 1, 2, 3)));
  EXPECT_THAT(DivideIntoShards(std::vector<std::int64_t>{}, 8), ElementsAre(IsEmpty()));
  EXPECT_THAT(DivideIntoShards(std::vector<std::int64_t>{0, 8, 0}, 8),
              ElementsAre(ElementsAre(0, 1, 2)));
}

TEST(ShardsTest, ATensorAboveTheLimitIsAloneAndComesBeforeTheShardThatWasBeingFilled) {
  EXPECT_THAT(DivideIntoShards(std::vector<std::int64_t>{4, 9, 3, 9}, 8),
              ElementsAre(ElementsAre(1), ElementsAre(3), ElementsAre(0, 2)));
}

TEST(ShardsTest, LargeSizesDoNotOverflow) {
  const std::int64_t large = INT64_MAX - 1;
  EXPECT_THAT(DivideIntoShards(std::vector<std::int64_t>{large, large}, INT64_MAX),
              ElementsAre(ElementsAre(0), ElementsAre(1)));
}

TEST(ShardsTest, NamesCountFromOne) {
  EXPECT_EQ(ShardName(0, 1), "model.safetensors");
  EXPECT_EQ(ShardName(0, 3), "model-00001-of-00003.safetensors");
  EXPECT_EQ(ShardName(99'999, 100'000), "model-100000-of-100000.safetensors");
}

TEST(ShardsTest, TheIndexIsSortedAndIndented) {
  EXPECT_EQ(ShardIndex(12, {{"a", "b"}}, {{"y", "f2"}, {"x", "f1"}}),
            "{\n  \"metadata\": {\n    \"a\": \"b\",\n    \"total_size\": 12\n  },\n"
            "  \"weight_map\": {\n    \"x\": \"f1\",\n    \"y\": \"f2\"\n  }\n}\n");
}

TEST(ShardsTest, AnIndexIsReadBack) {
  const auto files = ParseShardIndex(ShardIndex(1, {}, {{"x", "f1"}, {"y", "f2"}}), "i");
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->at("y"), "f2");
}

TEST(ShardsTest, NamesInAnIndexAreNoPaths) {
  for (const char* bad : {"../x", "/etc/passwd", "a/b", "", ".hidden", "..", "a\\u0000b"}) {
    const auto files =
        ParseShardIndex(std::string(R"({"weight_map": {"x": ")") + bad + "\"}}", "the index");
    EXPECT_THAT(files.status().message(), HasSubstr("is not the name of a file")) << bad;
    EXPECT_THAT(files.status().message(), HasSubstr("the index: "));
  }
}

TEST(ShardsTest, WhatIsNoIndexIsRefused) {
  for (const char* bad :
       {"", "{", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {"x": 1}})"}) {
    EXPECT_FALSE(ParseShardIndex(bad, "i").ok()) << bad;
  }
}

}  // namespace
}  // namespace weightinit::client
