#include "client/plan_merger.h"

#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

v1::PlanResponse Report(std::uint64_t tensors) {
  v1::PlanResponse response;
  response.mutable_report()->set_tensor_count(tensors);
  return response;
}

v1::PlanResponse Page(int tensors) {
  v1::PlanResponse response;
  response.mutable_page();
  for (int i = 0; i < tensors; ++i) response.mutable_page()->add_tensors();
  return response;
}

TEST(PlanMerger, PutsReportsAndPagesTogether) {
  PlanMerger merger(5);
  v1::PlanResponse more;
  more.mutable_report()->add_uncovered("a");
  ASSERT_TRUE(merger.Take(Report(3)).ok());
  ASSERT_TRUE(merger.Take(more).ok());
  ASSERT_TRUE(merger.Take(Page(2)).ok());
  ASSERT_TRUE(merger.Take(Page(1)).ok());
  const absl::StatusOr<PlanAnswer> answer = merger.Finish();
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->tensors.size(), 3u);
  EXPECT_EQ(answer->report.tensor_count(), 3u);
  EXPECT_EQ(answer->report.uncovered(0), "a");
}

TEST(PlanMerger, RefusesWhatNoPlanCanBe) {
  EXPECT_FALSE(PlanMerger(5).Take(Page(1)).ok());
  EXPECT_FALSE(PlanMerger(5).Take(v1::PlanResponse()).ok());
  EXPECT_FALSE(PlanMerger(5).Finish().ok());
  PlanMerger late(5);
  EXPECT_TRUE(late.Take(Report(1)).ok());
  EXPECT_TRUE(late.Take(Page(1)).ok());
  EXPECT_FALSE(late.Take(Report(1)).ok());
  PlanMerger many(2);
  EXPECT_TRUE(many.Take(Report(3)).ok());
  EXPECT_FALSE(many.Take(Page(3)).ok());
  PlanMerger incomplete(5);
  EXPECT_TRUE(incomplete.Take(Report(3)).ok());
  EXPECT_TRUE(incomplete.Take(Page(2)).ok());
  EXPECT_FALSE(incomplete.Finish().ok());
  PlanMerger endless(0);
  v1::PlanResponse large = Report(0);
  large.mutable_report()->add_warnings(std::string(std::size_t{1} << 20, 'x'));
  absl::Status status;
  int messages = 0;
  while (status.ok() && ++messages < 1000) status = endless.Take(large);
  EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace weightinit::client
