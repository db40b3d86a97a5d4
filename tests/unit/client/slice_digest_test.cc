// The digest of what someone else drew is that of the library, however it was cut.
#include "client/slice_digest.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/client/testing.h"
#include "weightinit/shape.h"

namespace weightinit::client {
namespace {

class SliceDigestTest : public ::testing::TestWithParam<const char*> {
 protected:
  BoundSelection Slice(DType dtype) const {
    Selection selection = Select("a", ParseSlice(GetParam(), Shape{8, 6}).value());
    selection.dtype = dtype;
    return Bind(model_.plan, selection, "s").value();
  }

  const Model model_ = ModelOf({Tensor("a", {8, 6})});
};

TEST_P(SliceDigestTest, PartsOfAnySizeAddUp) {
  const BoundSelection selection = Slice(DType::kFloat32);
  const auto [bytes, expected] = Draw(model_.plan, selection);
  const SliceDigest digest(selection);
  for (std::int64_t step = 1; step <= selection.count; ++step) {
    std::uint64_t sum = 0;
    for (std::int64_t at = 0; at < selection.count; at += step) {
      const std::size_t size = static_cast<std::size_t>(4 * std::min(step, selection.count - at));
      sum += digest.Of(at, BytesOf(bytes).subspan(static_cast<std::size_t>(4 * at), size));
    }
    EXPECT_EQ(sum, expected) << step;
  }
}

TEST_P(SliceDigestTest, BytesMayBeCutAnywhere) {
  for (const DType dtype :
       {DType::kFloat8E4M3FN, DType::kBFloat16, DType::kFloat32, DType::kFloat64}) {
    const BoundSelection whole = Slice(dtype);
    // Also of a part that does not begin with the slice.
    const BoundSelection selection = Part(whole, whole.count / 3, whole.count - whole.count / 3);
    const auto [bytes, expected] = Draw(model_.plan, selection);
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
      RunningDigest digest(selection);
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        digest.Add(BytesOf(bytes).subspan(at, std::min(step, bytes.size() - at)));
      }
      EXPECT_EQ(digest.digest(), expected) << Name(dtype) << " " << step;
    }
  }
}

TEST_P(SliceDigestTest, HalfAnElementDoesNotCount) {
  const BoundSelection selection = Slice(DType::kFloat32);
  const std::string bytes = Draw(model_.plan, selection).bytes;
  RunningDigest digest(selection);
  digest.Add(BytesOf(bytes).first(6));
  EXPECT_EQ(digest.digest(), Draw(model_.plan, Part(selection, 0, 1)).digest);
}

INSTANTIATE_TEST_SUITE_P(Slices, SliceDigestTest,
                         ::testing::Values(":,:", "2:8:2,1:5", "::3,0:1", "6:8,4:6", "1:3",
                                           "flat:5:40:3"));

}  // namespace
}  // namespace weightinit::client
