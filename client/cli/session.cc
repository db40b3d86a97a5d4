#include "client/cli/session.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <utility>

#include "absl/strings/string_view.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/message_json.h"
#include "client/local_backend.h"
#include "client/printable.h"
#include "client/target.h"
#include "weightinit/status.h"

namespace weightinit::client {
namespace {

std::string Seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%g s", seconds);
  return text;
}

bool IsTls(const RemoteOptions& remote) {
  return remote.tls || !remote.ca_file.empty() || !remote.cert_file.empty() ||
         !remote.key_file.empty() || !remote.server_name.empty();
}

// A server that wants more of TLS than it gets closes the connection, and cannot say why. gRPC's
// words for one that was made, and closed before a call went over it.
std::string TlsHint(const absl::Status& status, const RemoteOptions& remote) {
  const auto says = [&](absl::string_view words) {
    return status.message().find(words) != absl::string_view::npos;
  };
  if (!absl::IsUnavailable(status) || !says("connections to all backends failing") ||
      !says("Socket closed") || remote.target.empty()) {
    return "";
  }
  if (!IsTls(remote)) return " (does the server want TLS? --tls)";
  if (!remote.cert_file.empty()) return "";
  return " (does the server want a client's certificate? --tls-cert, --tls-key)";
}

}  // namespace

Session::Session(std::stop_token stop)
    : stop_(std::move(stop)), out_(STDOUT_FILENO), err_(STDERR_FILENO) {}

absl::Status Session::CheckFlags() const {
  const RemoteOptions& remote = flags_.remote;
  if (!remote.target.empty()) {
    const absl::StatusOr<Target> target = ParseTarget(remote.target);
    return target.ok() ? absl::OkStatus()
                       : UsageError("--server: " + std::string(target.status().message()));
  }
  const char* flag = nullptr;
  if (IsTls(remote)) flag = "--tls and its kin go";
  if (!remote.token_file.empty()) flag = "--token-file goes";
  if (flags_.timeout_seconds != 0) flag = "--timeout goes";
  if (remote.connections != 0) flag = "--connections goes";
  if (flags_.retry_for_seconds.has_value()) flag = "--retry-for goes";
  if (flag == nullptr) return absl::OkStatus();
  return UsageError(std::string(flag) + " with --server HOST:PORT (or WEIGHTINIT_SERVER)");
}

absl::StatusOr<std::unique_ptr<Backend>> Session::Connect() const {
  if (flags_.remote.target.empty()) {
    EngineOptions options;
    options.threads = flags_.threads;
    return std::make_unique<LocalBackend>(options, flags_.max_matrix_bytes);
  }
  RemoteOptions remote = flags_.remote;
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
  };
  if (flags_.timeout_seconds > 0) remote.timeout = milliseconds(flags_.timeout_seconds);
  if (flags_.retry_for_seconds) remote.retry_for = milliseconds(*flags_.retry_for_seconds);
  remote.on_break = [this](const absl::Status& status) {
    if (show_progress()) Note("\r\x1b[K");  // in the place of the bar, which comes back below
    Warn(std::string(status.message()) + "; trying again");
  };
  absl::StatusOr<std::unique_ptr<RemoteBackend>> backend = RemoteBackend::Create(remote);
  if (absl::IsCancelled(backend.status())) return backend.status();  // a file was a pipe
  if (!backend.ok()) return AsUsageError(backend.status());
  return *std::move(backend);
}

void Session::Print(std::string_view text) const {
  printed_ = true;
  errno = 0;
  const std::size_t written = std::fwrite(text.data(), 1, text.size(), stdout);
  if (written != text.size() && print_errno_ == 0) print_errno_ = errno;
}

void Session::Note(std::string_view text) const {
  if (flags_.quiet) return;
  std::fflush(stdout);  // in the order in which things were said
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void Session::Warn(std::string_view text) const {
  Note(err_.Yellow("warning:") + " " + Printable(text) + "\n");
}

int Session::Fail(const absl::Status& status) const {
  // Whoever pressed Ctrl-C need not read in which step that was noticed.
  const bool interrupted = absl::IsCancelled(status) && stop_.stop_requested();
  std::string message = interrupted ? "interrupted" : std::string(status.message());
  if (absl::IsDeadlineExceeded(status) && flags_.timeout_seconds > 0) {
    message += " (--timeout: " + Seconds(flags_.timeout_seconds) + ")";
  }
  message += TlsHint(status, flags_.remote);
  const std::string text =
      err_.Red("weightinit:") + " " + Printable(message, /*keep_newlines=*/true) + "\n";
  std::fflush(stdout);
  std::fwrite(text.data(), 1, text.size(), stderr);
  if (flags_.json && !printed_) {
    nlohmann::ordered_json error;
    error["code"] = absl::StatusCodeToString(status.code());
    error["message"] = message;
    for (const FieldViolation& violation : FieldViolations(status)) {
      error["violations"].push_back(
          {{"field", violation.field}, {"description", violation.description}});
    }
    Print(JsonText({{"error", std::move(error)}}));
  }
  return ExitCodeOf(status);
}

absl::Status Session::Flush() const {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return absl::OkStatus();
  const int error = print_errno_ != 0 ? print_errno_ : errno != 0 ? errno : EIO;
  if (error == EINTR && stop_.stop_requested()) return absl::CancelledError("interrupted");
  return absl::ErrnoToStatus(error, "stdout cannot be written");
}

}  // namespace weightinit::client
