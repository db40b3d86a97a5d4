#include "client/checkpoint_comparison.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "weightinit/element.h"

namespace weightinit::client {
namespace {

class CheckpointComparisonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/comparison_XXXXXX";
    const int fd = ::mkstemp(path_.data());
    ASSERT_GE(fd, 0);
    ::close(fd);
    for (std::size_t i = 0; i < kCount; ++i) values_.push_back(static_cast<float>(i));
    std::ofstream file(path_, std::ios::binary);
    file << "head";
    file.write(reinterpret_cast<const char*>(values_.data()),
               static_cast<std::streamsize>(kCount * sizeof(float)));
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // Compares the file with `drawn`, which comes in pieces of that many bytes.
  std::optional<Difference> Compare(const std::vector<float>& drawn, std::size_t piece) {
    absl::StatusOr<InputFile> file = InputFile::Open(path_);
    EXPECT_TRUE(file.ok());
    std::int64_t compared = 0;
    CheckpointComparison comparison({{&*file, 4, DType::kFloat32}},
                                    [&](std::int64_t bytes) { compared += bytes; });
    const auto bytes = std::as_bytes(std::span(drawn));
    // The later piece first, as threads may have it.
    std::vector<std::size_t> starts;
    for (std::size_t at = 0; at < bytes.size(); at += piece) starts.push_back(at);
    for (auto at = starts.rbegin(); at != starts.rend(); ++at) {
      const auto part = bytes.subspan(*at, std::min(piece, bytes.size() - *at));
      EXPECT_TRUE(comparison.Take(0, static_cast<std::int64_t>(*at), part).ok());
    }
    EXPECT_EQ(compared, static_cast<std::int64_t>(bytes.size()));
    return comparison.DifferenceOf(0);
  }

  static constexpr std::size_t kCount = 50'000;  // several of its buffers
  std::string path_;
  std::vector<float> values_;
};

TEST_F(CheckpointComparisonTest, EqualBytesAreNoDifference) {
  EXPECT_EQ(Compare(values_, 1 << 20), std::nullopt);
  EXPECT_EQ(Compare(values_, 4097), std::nullopt);
}

TEST_F(CheckpointComparisonTest, FindsTheFirstInWhateverPiecesItComes) {
  for (const std::size_t piece : {std::size_t{3}, std::size_t{5}, std::size_t{4}, std::size_t{4097},
                                  std::size_t{100'000}, std::size_t{1} << 20}) {
    std::vector<float> drawn = values_;
    for (const std::size_t at : {1023u, 1024u, 1025u, 30'000u, 49'999u}) drawn[at] = -1.5f;
    const std::optional<Difference> difference = Compare(drawn, piece);
    ASSERT_TRUE(difference.has_value());
    EXPECT_EQ(difference->count, 5) << piece;
    EXPECT_EQ(difference->first, 1023) << piece;
    EXPECT_EQ(ElementValue(std::span(difference->stored).first(4), DType::kFloat32), 1023);
    EXPECT_EQ(ElementValue(std::span(difference->drawn).first(4), DType::kFloat32), -1.5);
  }
}

TEST_F(CheckpointComparisonTest, OneFlippedBitIsOneElement) {
  for (const std::size_t byte : {std::size_t{0}, std::size_t{4001}, std::size_t{199'999}}) {
    std::vector<float> drawn = values_;
    reinterpret_cast<unsigned char*>(drawn.data())[byte] ^= 0x10;
    const std::optional<Difference> difference = Compare(drawn, 7);
    ASSERT_TRUE(difference.has_value());
    EXPECT_EQ(difference->count, 1);
    EXPECT_EQ(difference->first, static_cast<std::int64_t>(byte / 4));
    EXPECT_EQ(0, std::memcmp(difference->drawn.data(), &drawn[byte / 4], 4));
  }
}

TEST_F(CheckpointComparisonTest, AFileThatBecameShorterIsAnError) {
  absl::StatusOr<InputFile> file = InputFile::Open(path_);
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path_, 1000);
  CheckpointComparison comparison({{&*file, 4, DType::kFloat32}}, [](std::int64_t) {});
  EXPECT_EQ(comparison.Take(0, 0, std::as_bytes(std::span(values_))).code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace weightinit::client
