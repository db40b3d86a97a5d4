// What every command shares: its common flags, its streams, and where weights come from.
//
// Thread-safety: for one thread, but for stop().
#ifndef WEIGHTINIT_CLIENT_CLI_SESSION_H_
#define WEIGHTINIT_CLIENT_CLI_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/cli/terminal.h"
#include "client/remote_backend.h"
#include "weightinit/selection.h"

namespace weightinit::client {

// Flags that all commands have.
struct CommonFlags {
  RemoteOptions remote;                     // an empty target: in this process
  double timeout_seconds = 0;               // 0: none
  std::optional<double> retry_for_seconds;  // by default RemoteOptions'
  int threads = 0;
  std::int64_t max_matrix_bytes = Limits{}.max_matrix_bytes;  // in this process
  bool json = false, quiet = false;
};

class Session {
 public:
  explicit Session(std::stop_token stop);

  CommonFlags& flags() { return flags_; }
  const CommonFlags& flags() const { return flags_; }
  const Terminal& out() const { return out_; }
  const Terminal& err() const { return err_; }
  std::stop_token stop() const { return stop_; }
  bool show_progress() const { return err_.is_terminal() && !flags_.quiet; }

  // Errors (usage): a server's address that is none, flags of a server without one.
  absl::Status CheckFlags() const;

  // The server that was named, or this process. Errors (usage): those of the flags
  // and of the files that they name.
  absl::StatusOr<std::unique_ptr<Backend>> Connect() const;

  // To stdout. What goes wrong there is found by Flush.
  void Print(std::string_view text) const;
  // To stderr, unless --quiet.
  void Note(std::string_view text) const;
  void Warn(std::string_view text) const;

  // Says what went wrong (on stderr; with --json also as an object on stdout, unless one stands
  // there already); returns the exit code.
  int Fail(const absl::Status& status) const;

  // Writes out what Print has buffered. Errors: stdout cannot be written (a full disk).
  absl::Status Flush() const;

 private:
  CommonFlags flags_;
  mutable bool printed_ = false;
  mutable int print_errno_ = 0;  // of the first Print that failed
  std::stop_token stop_;
  Terminal out_, err_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_SESSION_H_
