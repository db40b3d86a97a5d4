// Errors that point at a field.
#include "weightinit/status.h"

#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(FieldErrorTest, TheMessageIsFieldAndDescription) {
  const absl::Status status = FieldError("a.b[1]", "3 is too many");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "a.b[1]: 3 is too many");
  ASSERT_EQ(FieldViolations(status).size(), 1u);
  EXPECT_EQ(FieldViolations(status)[0].field, "a.b[1]");
  EXPECT_EQ(FieldViolations(status)[0].description, "3 is too many");
}

TEST(FieldErrorTest, ThePayloadSurvivesItsOwnSeparators) {
  const auto violations = FieldViolations(FieldError("a\tb", "one\ntwo\tthree"));
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "a b");
  EXPECT_EQ(violations[0].description, "one two three");
}

TEST(FieldErrorTest, OtherStatusesHaveNoViolations) {
  EXPECT_THAT(FieldViolations(absl::OkStatus()), IsEmpty());
  EXPECT_THAT(FieldViolations(absl::InternalError("x")), IsEmpty());
}

TEST(FieldErrorsTest, TwentyAreShownAndTheRestCounted) {
  std::vector<FieldViolation> violations;
  for (int i = 0; i < 20; ++i) violations.push_back({"f" + std::to_string(i), "bad"});
  const auto make = [&] {
    return FieldErrors("several:", violations, absl::StatusCode::kFailedPrecondition);
  };
  EXPECT_EQ(FieldViolations(make()).size(), 20u);
  EXPECT_THAT(std::string(make().message()), testing::StartsWith("several:\n  f0: bad"));
  EXPECT_THAT(std::string(make().message()), testing::Not(HasSubstr("more")));
  violations.push_back({"f20", "bad"});
  EXPECT_EQ(FieldViolations(make()).size(), 20u);
  EXPECT_THAT(std::string(make().message()), HasSubstr("\n  f19: bad\n  and 1 more"));
  EXPECT_THAT(std::string(make().message()), testing::StartsWith("several: 21 errors\n  f0: bad"));
}

}  // namespace
}  // namespace weightinit
