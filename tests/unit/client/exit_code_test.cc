#include "client/cli/exit_code.h"

#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

TEST(ExitCode, EveryCode) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(UsageError("no such flag")), 2);
  for (int code = 1; code <= 16; ++code) {
    const auto status = static_cast<absl::StatusCode>(code);
    const bool interrupted = status == absl::StatusCode::kUnavailable ||
                             status == absl::StatusCode::kDeadlineExceeded ||
                             status == absl::StatusCode::kCancelled;
    EXPECT_EQ(ExitCodeOf(absl::Status(status, "x")), interrupted ? 3 : 1) << code;
  }
}

}  // namespace
}  // namespace weightinit::client
