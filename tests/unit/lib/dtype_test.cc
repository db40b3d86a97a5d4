#include "weightinit/dtype.h"

#include <set>

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using test::IsInvalid;

TEST(DTypeTest, EveryNameReadsBackInAnyCase) {
  std::set<std::string> names;
  for (const DType dtype : AllDTypes()) {
    const std::string name(Name(dtype));
    names.insert(name);
    ASSERT_OK(ParseDType(name));
    EXPECT_EQ(*ParseDType(name), dtype);
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    ASSERT_OK(ParseDType(lower));
    EXPECT_EQ(*ParseDType(lower), dtype) << lower;
  }
  EXPECT_EQ(names.size(), AllDTypes().size());
}

TEST(DTypeTest, ShortNamesAndTorchsAreReadToo) {
  const std::pair<const char*, DType> cases[] = {{"bf16", DType::kBFloat16},
                                                 {"BF16", DType::kBFloat16},
                                                 {"fp16", DType::kFloat16},
                                                 {"half", DType::kFloat16},
                                                 {"fp32", DType::kFloat32},
                                                 {"float", DType::kFloat32},
                                                 {"double", DType::kFloat64},
                                                 {"torch.bfloat16", DType::kBFloat16},
                                                 {"torch.float32", DType::kFloat32},
                                                 {"torch.half", DType::kFloat16},
                                                 {"torch.float8_e5m2", DType::kFloat8E5M2}};
  for (const auto& [text, dtype] : cases) {
    ASSERT_OK(ParseDType(text)) << text;
    EXPECT_EQ(*ParseDType(text), dtype) << text;
  }
  EXPECT_THAT(ParseDType("torch."), IsInvalid("dtype"));
}

TEST(DTypeTest, SizesAreThoseOfTheFormats) {
  EXPECT_EQ(SizeBytes(DType::kFloat64), 8);
  EXPECT_EQ(SizeBytes(DType::kInt64), 8);
  EXPECT_EQ(SizeBytes(DType::kFloat32), 4);
  EXPECT_EQ(SizeBytes(DType::kInt32), 4);
  EXPECT_EQ(SizeBytes(DType::kBFloat16), 2);
  EXPECT_EQ(SizeBytes(DType::kFloat16), 2);
  EXPECT_EQ(SizeBytes(DType::kFloat8E4M3FN), 1);
  EXPECT_EQ(SizeBytes(DType::kFloat8E5M2), 1);
  EXPECT_EQ(SizeBytes(DType::kUInt8), 1);
  EXPECT_EQ(SizeBytes(DType::kBool), 1);
}

TEST(DTypeTest, FourDTypesAreNotFloating) {
  for (const DType dtype : AllDTypes()) {
    const bool integer = dtype == DType::kInt64 || dtype == DType::kInt32 ||
                         dtype == DType::kUInt8 || dtype == DType::kBool;
    EXPECT_EQ(IsFloatingPoint(dtype), !integer) << Name(dtype);
  }
}

TEST(DTypeTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_THAT(ParseDType("float12"), IsInvalid("dtype", "\"float12\" is not a dtype"));
  EXPECT_THAT(ParseDType("float12"), IsInvalid("dtype", "FLOAT8_E5M2"));
  EXPECT_THAT(ParseDType("float12", "--dtype"), IsInvalid("--dtype"));
  EXPECT_THAT(ParseDType(""), IsInvalid("dtype"));
  EXPECT_THAT(ParseDType("FLOAT32 "), IsInvalid("dtype"));
}

}  // namespace
}  // namespace weightinit
