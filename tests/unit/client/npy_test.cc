// .npy heads: golden bytes of numpy.save.
#include "client/formats/npy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weightinit::client {
namespace {

std::string Golden(const std::string& dictionary, std::size_t length) {
  std::string head("\x93NUMPY\x01\0", 8);
  head += static_cast<char>((length - 10) & 0xff);
  head += static_cast<char>((length - 10) >> 8);
  head += dictionary;
  head.resize(length - 1, ' ');
  return head + "\n";
}

TEST(Npy, GoldenHeads) {
  EXPECT_EQ(NpyHead(DType::kFloat32, std::vector<std::int64_t>{3, 4}),
            Golden("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", 128));
  EXPECT_EQ(NpyHead(DType::kInt64, {}),
            Golden("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", 128));
  EXPECT_EQ(NpyHead(DType::kBool, std::vector<std::int64_t>{7}),
            Golden("{'descr': '|b1', 'fortran_order': False, 'shape': (7,), }", 128));
  EXPECT_EQ(NpyHead(DType::kFloat16, std::vector<std::int64_t>(32, 1)).size() % 64, 0u);
}

TEST(Npy, EveryRankIsAligned) {
  for (std::size_t rank = 0; rank <= 32; ++rank) {
    for (const std::int64_t dim : {std::int64_t{0}, std::int64_t{1000000007}, INT64_MAX}) {
      const std::string head = NpyHead(DType::kFloat64, std::vector<std::int64_t>(rank, dim));
      EXPECT_EQ(head.size() % 64, 0u);
      EXPECT_EQ(head.back(), '\n');
    }
  }
}

TEST(Npy, LongHeadersAreVersionTwo) {
  const std::string head = NpyHead(DType::kFloat32, std::vector<std::int64_t>(30000, 1));
  EXPECT_EQ(head[6], 2);
  EXPECT_EQ(head.size() % 64, 0u);
  std::size_t length = 0;
  for (std::size_t i = 12; i-- > 8;) length = length << 8 | static_cast<unsigned char>(head[i]);
  EXPECT_EQ(length + 12, head.size());
}

TEST(Npy, TypesThatNumPyDoesNotHave) {
  for (const DType dtype : AllDTypes()) {
    const bool odd =
        dtype == DType::kBFloat16 || dtype == DType::kFloat8E4M3FN || dtype == DType::kFloat8E5M2;
    EXPECT_EQ(NpyHasDType(dtype), !odd);
    EXPECT_EQ(NpyDescr(dtype).back() - '0', SizeBytes(dtype));
  }
  EXPECT_EQ(NpyDescr(DType::kBFloat16), "<u2");
  EXPECT_EQ(NpyDescr(DType::kFloat8E5M2), "|u1");
}

}  // namespace
}  // namespace weightinit::client
