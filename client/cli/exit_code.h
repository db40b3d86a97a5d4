// Exit codes, and which error gives which.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_EXIT_CODE_H_
#define WEIGHTINIT_CLIENT_CLI_EXIT_CODE_H_

#include <string_view>

#include "absl/status/status.h"

namespace weightinit::client {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;  // or differs
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachableOrInterrupted = 3;

// A mistake on the command line itself, as opposed to what the library or a server refuses.
absl::Status UsageError(std::string_view message);
// The same for what the library cannot read: it is a flag's text.
absl::Status AsUsageError(absl::Status status);

int ExitCodeOf(const absl::Status& status);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_EXIT_CODE_H_
