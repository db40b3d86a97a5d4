// safetensors: the reference's golden bytes, its order, and every header that it refuses.
#include "client/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace weightinit::client {
namespace {

using ::testing::HasSubstr;

std::string Head(std::span<const SafetensorsEntry> entries,
                 const std::map<std::string, std::string>& metadata = {}) {
  absl::StatusOr<SafetensorsLayout> layout = LayOutSafetensors(entries, metadata);
  EXPECT_TRUE(layout.ok()) << layout.status();
  return layout.ok() ? layout->head : "";
}

std::string Sized(const std::string& json) {
  std::string head;
  for (int i = 0; i < 8; ++i) head += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return head + json;
}

// The three golden files of the reference's own tests (tensor.rs).
TEST(SafetensorsLayout, GoldenSerialization) {
  const SafetensorsEntry entries[] = {{"attn.0", DType::kFloat32, {1, 2, 3}}};
  EXPECT_EQ(Head(entries),
            Sized(R"({"attn.0":{"dtype":"F32","shape":[1,2,3],"data_offsets":[0,24]}})"));
  EXPECT_EQ(Head(entries)[0], 64);
}

TEST(SafetensorsLayout, GoldenEmpty) {
  EXPECT_EQ(Head({}), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
}

TEST(SafetensorsLayout, GoldenForcedAlignment) {
  // One byte shorter than the first: padded by one space.
  const SafetensorsEntry entries[] = {{"attn0", DType::kFloat32, {1, 1, 2, 3}}};
  EXPECT_EQ(Head(entries),
            Sized(R"({"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       )"));
}

TEST(SafetensorsLayout, MetadataComesFirst) {
  const SafetensorsEntry entries[] = {{"a", DType::kBool, {}}};
  EXPECT_EQ(
      Head(entries, {{"format", "pt"}, {"b", "\"\n"}}),
      Sized(
          R"({"__metadata__":{"b":"\"\n","format":"pt"},"a":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]}})"));
}

TEST(SafetensorsLayout, WiderTypesFirstThenNames) {
  const SafetensorsEntry entries[] = {
      {"u8", DType::kUInt8, {3}},          {"b", DType::kFloat32, {1}},
      {"a", DType::kFloat32, {1}},         {"i64", DType::kInt64, {1}},
      {"bool", DType::kBool, {1}},         {"bf16", DType::kBFloat16, {1}},
      {"f16", DType::kFloat16, {1}},       {"f64", DType::kFloat64, {1}},
      {"e4m3", DType::kFloat8E4M3FN, {1}}, {"e5m2", DType::kFloat8E5M2, {1}},
      {"i32", DType::kInt32, {1}},         {"none", DType::kFloat32, {0, 7}}};
  absl::StatusOr<SafetensorsLayout> layout = LayOutSafetensors(entries, {});
  ASSERT_TRUE(layout.ok());
  const absl::StatusOr<SafetensorsHeader> header =
      ParseSafetensorsHeader(std::string_view(layout->head).substr(8), layout->file_bytes, "f");
  ASSERT_TRUE(header.ok()) << header.status();
  std::vector<std::string> order;
  for (const SafetensorsTensor& tensor : header->tensors) {
    order.push_back(tensor.name);
    ASSERT_TRUE(tensor.dtype.has_value());
    EXPECT_EQ(tensor.begin % SizeBytes(*tensor.dtype), 0) << tensor.name;
  }
  EXPECT_THAT(order, ::testing::ElementsAre("i64", "f64", "a", "b", "none", "i32", "bf16", "f16",
                                            "e4m3", "e5m2", "u8", "bool"));
  for (std::size_t i = 0; i < std::size(entries); ++i) {
    for (const SafetensorsTensor& tensor : header->tensors) {
      if (tensor.name == entries[i].name) {
        EXPECT_EQ(tensor.begin, layout->offsets[i]);
      }
    }
  }
  EXPECT_EQ(layout->head.size() % 8, 0u);
}

TEST(SafetensorsLayout, NamesSurvive) {
  for (const std::string name : {"", "a\"b\\c", "\n\t\x01", "é漢😀", "../../x", "a\xc2\x85"}) {
    const SafetensorsEntry entries[] = {{name, DType::kFloat32, {2}}};
    const std::string head = Head(entries);
    const auto header =
        ParseSafetensorsHeader(head.substr(8), static_cast<std::int64_t>(head.size()) + 8, "f");
    ASSERT_TRUE(header.ok()) << header.status();
    EXPECT_EQ(header->tensors[0].name, name);
  }
}

TEST(SafetensorsLayout, RefusesNamesThatTheFormatCannotHold) {
  const SafetensorsEntry twice[] = {{"a", DType::kFloat32, {}}, {"a", DType::kInt32, {}}};
  EXPECT_FALSE(LayOutSafetensors(twice, {}).ok());
  const SafetensorsEntry reserved[] = {{"__metadata__", DType::kFloat32, {}}};
  EXPECT_FALSE(LayOutSafetensors(reserved, {}).ok());
  const SafetensorsEntry broken[] = {{"\xff", DType::kFloat32, {}}};
  EXPECT_FALSE(LayOutSafetensors(broken, {}).ok());
}

std::string HeaderError(const std::string& json, std::int64_t data_bytes) {
  const absl::StatusOr<SafetensorsHeader> header =
      ParseSafetensorsHeader(json, 8 + static_cast<std::int64_t>(json.size()) + data_bytes, "f");
  EXPECT_FALSE(header.ok()) << json;
  return std::string(header.status().message());
}

TEST(SafetensorsHeader, RefusesHostileHeaders) {
  struct Case {
    const char* json;
    std::int64_t data_bytes;
    const char* refusal;
  };
  constexpr Case kCases[] = {
      {"", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "broken JSON"},
      {"{}x", 0, "broken JSON"},
      {"{\"\xff\":1}", 0, "broken JSON"},
      {R"({"a":1})", 0, "where it does not belong"},
      {R"({"a":null})", 0, "where it does not belong"},
      {R"({"a":[]})", 0, "where it does not belong"},
      {R"({"a":{}})", 0, "has dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "has dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "repeated"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "repeated"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", 0, "repeated"},
      {R"({"__metadata__":{"a":1}})", 0, "where it does not belong"},
      {R"({"__metadata__":{"a":{}}})", 0, "where it does not belong"},
      {R"({"__metadata__":"x"})", 0, "where it does not belong"},
      {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype"},
      {R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", 4, "where it does not belong"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, "where it does not belong"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "where it does not"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "not whole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "two numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 8, "two numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8, "do not hold"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "do not hold"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown key"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]}})", 4,
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4,
       "overflows"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", 4,
       "too large"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}})", 4,
       "too large"},
      {R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1, "whole bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3, "beyond the end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "1 bytes after the last"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "a hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "overlap"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
       12, "overlap"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(HeaderError(c.json, c.data_bytes), HasSubstr(c.refusal)) << c.json;
  }
  std::string dims = "1";
  for (int i = 0; i < 64; ++i) dims += ",1";
  EXPECT_THAT(
      HeaderError(R"({"a":{"dtype":"F32","shape":[)" + dims + R"(],"data_offsets":[0,4]}})", 4),
      HasSubstr("more than 64 dimensions"));
  EXPECT_THAT(HeaderError("{\"a\":" + std::string(1'000'000, '['), 0),
              HasSubstr("where it does not belong"));
}

TEST(SafetensorsHeader, AcceptsWhatTheReferenceAccepts) {
  // Another order of keys and bytes, empty tensors, scalars, sub-byte types that fill their bytes.
  const std::string json =
      R"({"b":{"data_offsets":[4,4],"shape":[0,5],"dtype":"F64"},"__metadata__":{},)"
      R"("c":{"dtype":"F4","shape":[2,3],"data_offsets":[4,7]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const auto header =
      ParseSafetensorsHeader(json, 8 + static_cast<std::int64_t>(json.size()) + 7, "f");
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->tensors.size(), 3u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[1].name, "b");
  EXPECT_EQ(header->tensors[2].dtype, std::nullopt);
  EXPECT_FALSE(ManifestOf(*header, "f").ok());
}

class SafetensorsFile : public ::testing::Test {
 protected:
  std::string Write(const std::string& bytes) {
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_;
  }
  void TearDown() override { std::filesystem::remove(path_); }
  const std::string path_ = ::testing::TempDir() + "/safetensors_test.safetensors";
};

TEST_F(SafetensorsFile, RefusesHostileLengths) {
  for (const std::string& bytes :
       {std::string(), std::string("1234567"), std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8),
        std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10),  // 100 000 001
        std::string("\x03\0\0\0\0\0\0\0{}", 10)}) {
    EXPECT_FALSE(ReadSafetensorsHeader(Write(bytes)).ok());
  }
  EXPECT_FALSE(ReadSafetensorsHeader("/").ok());
  EXPECT_FALSE(ReadSafetensorsHeader("/dev/null").ok());
  EXPECT_EQ(ReadSafetensorsHeader("/nonexistent").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SafetensorsFile, OtherFormatsAreNoSafetensors) {
  for (const std::string& bytes :
       {std::string("\x93NUMPY\x01\0v\0{'descr': '<f4'}", 25), std::string(64, '\0')}) {
    EXPECT_THAT(std::string(ReadSafetensorsHeader(Write(bytes)).status().message()),
                ::testing::HasSubstr("is not a safetensors file"));
  }
}

TEST_F(SafetensorsFile, ReadsWhatTheLayoutSays) {
  const SafetensorsEntry entries[] = {{"w", DType::kBFloat16, {2, 2}}, {"b", DType::kFloat32, {2}}};
  const absl::StatusOr<SafetensorsLayout> layout = LayOutSafetensors(entries, {{"format", "pt"}});
  ASSERT_TRUE(layout.ok());
  const auto header = ReadSafetensorsHeader(Write(layout->head + std::string(16, 'x')));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata.at("format"), "pt");
  const absl::StatusOr<Recipe> manifest = ManifestOf(*header, "f");
  ASSERT_TRUE(manifest.ok());
  EXPECT_EQ(manifest->tensors[0].name, "b");
  EXPECT_EQ(manifest->tensors[1].shape, (Shape{2, 2}));
  EXPECT_EQ(manifest->tensors[1].dtype, DType::kBFloat16);
}

}  // namespace
}  // namespace weightinit::client
