#include "client/cli/look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/progress.h"

namespace weightinit::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const Terminal kPlain(false, false, 80);

TEST(Look, HistogramIsAnEighthOfALineFine) {
  const std::uint64_t counts[] = {0, 1, 8, 12, 16};
  EXPECT_THAT(HistogramLines(counts, 2), ElementsAre("   ▄█", " ▁███"));
  const std::uint64_t none[] = {0, 0};
  EXPECT_THAT(HistogramLines(none, 1), ElementsAre("  "));
  EXPECT_THAT(HistogramLines({}, 2), ElementsAre("", ""));
  const std::uint64_t huge[] = {UINT64_MAX, 1};
  EXPECT_THAT(HistogramLines(huge, 1), ElementsAre("█▁"));
}

TEST(Look, SaysWhatWasExpectedAndWhatWasDrawn) {
  v1::SummarizeResponse summary;
  v1::TensorPlan& plan = *summary.mutable_plan();
  plan.set_name("fc\x1b.weight");
  plan.add_shape(2);
  plan.set_initializer("normal");
  plan.set_expected_std(1);
  plan.add_warnings("careful");
  summary.add_shape(2);
  summary.set_count(2);
  summary.set_std(0.5);
  summary.add_first_values(0.25);
  summary.set_digest(0xab);
  const std::string text = LookText(summary, kPlain);
  EXPECT_THAT(text, HasSubstr("fc\\x1b.weight"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("std          1               0.5\n"));
  EXPECT_THAT(text, HasSubstr("warning      careful\n"));
  EXPECT_THAT(text, HasSubstr("first        0.25 …\n"));
  EXPECT_THAT(text, HasSubstr("digest       00000000000000ab\n"));
  EXPECT_THAT(LookText(v1::SummarizeResponse(), kPlain), HasSubstr("values       none"));
}

TEST(ProgressLine, FitsAnyWidth) {
  for (std::size_t width = 0; width < 120; ++width) {
    EXPECT_LE(DisplayWidth(ProgressLine(5'000'000, 10'000'000, 2, width)), width);
  }
  EXPECT_EQ(ProgressLine(5'000'000, 10'000'000, 2, 60),
            "[██████       ]  50%  5.0 MB of 10.0 MB  2.5 MB/s  2 s left");
  EXPECT_EQ(ProgressLine(10'000'000, 10'000'000, 2, 50),
            "[████████████] 100%  10.0 MB of 10.0 MB  5.0 MB/s");
  EXPECT_THAT(ProgressLine(0, 0, 0, 80), HasSubstr("100%"));
}

}  // namespace
}  // namespace weightinit::client
