#include "client/cli/exit_code.h"

#include <string>

#include "absl/strings/cord.h"

namespace weightinit::client {
namespace {

constexpr char kUsagePayload[] = "weightinit.cli.Usage";

}  // namespace

absl::Status UsageError(std::string_view message) {
  return AsUsageError(absl::InvalidArgumentError(std::string(message)));
}

absl::Status AsUsageError(absl::Status status) {
  status.SetPayload(kUsagePayload, absl::Cord());
  return status;
}

int ExitCodeOf(const absl::Status& status) {
  if (status.GetPayload(kUsagePayload).has_value()) return kExitUsage;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitDone;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return kExitUnreachableOrInterrupted;
    default:
      return kExitFailed;
  }
}

}  // namespace weightinit::client
