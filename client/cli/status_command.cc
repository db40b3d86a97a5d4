#include <CLI/App.hpp>
#include <chrono>
#include <thread>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/message_json.h"
#include "client/printable.h"

namespace weightinit::client {
namespace {

using Clock = std::chrono::steady_clock;

// Probes run every few seconds: one that hangs must fail before the next.
constexpr double kProbeTimeoutSeconds = 5;

class StatusCommand final : public Command {
 public:
  explicit StatusCommand(CLI::App& app) {
    AddNumber<double>(app, "--wait", wait_seconds_, "wait up to this long for the server to serve",
                      0, 1e9)
        ->type_name("SECONDS");
  }

  absl::StatusOr<int> Run(Session& session) override {
    if (session.flags().remote.target.empty()) {
      return UsageError("--server HOST:PORT (or WEIGHTINIT_SERVER) is missing");
    }
    if (session.flags().timeout_seconds <= 0) {
      session.flags().timeout_seconds = kProbeTimeoutSeconds;
    }
    absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
    if (!backend.ok()) return backend.status();
    if (absl::Status status = WaitUntilServing(**backend, session); !status.ok()) return status;
    absl::StatusOr<v1::GetCapabilitiesResponse> capabilities =
        (*backend)->GetCapabilities(session.stop());
    if (!capabilities.ok()) return capabilities.status();
    session.Print(session.flags().json ? Json(*capabilities)
                                       : Text(*capabilities, **backend, session.out()));
    return kExitDone;
  }

 private:
  absl::Status WaitUntilServing(Backend& backend, Session& session) const {
    constexpr auto kBetween = std::chrono::milliseconds(200);
    const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                             std::chrono::duration<double>(wait_seconds_));
    while (true) {
      const absl::StatusOr<Health> health = backend.CheckHealth(session.stop());
      if (health.ok() && *health == Health::kServing) return absl::OkStatus();
      if (session.stop().stop_requested()) return absl::CancelledError("interrupted");
      if (Clock::now() + kBetween > deadline) {
        return health.ok()
                   ? absl::UnavailableError(backend.Where() + ": stopping, takes no more calls")
                   : health.status();
      }
      std::this_thread::sleep_for(kBetween);
    }
  }

  static std::string Json(const v1::GetCapabilitiesResponse& capabilities) {
    return JsonText({{"health", "SERVING"}, {"capabilities", MessageJson(capabilities)}});
  }

  static std::string Text(const v1::GetCapabilitiesResponse& capabilities, const Backend& backend,
                          const Terminal& terminal) {
    std::string text = terminal.Bold(Printable(backend.Where())) + ": serving, version " +
                       Printable(capabilities.server_version()) + ", " +
                       std::to_string(capabilities.threads()) + " threads, " +
                       Printable(capabilities.simd_target()) + ", chunks of " +
                       HumanBytes(static_cast<double>(capabilities.chunk_bytes())) + "\n";
    const auto list = [&text](std::string_view title, const auto& names) {
      text.append(title);
      bool first = true;
      for (const std::string& name : names) {
        text += (first ? "" : ", ") + Printable(name);
        first = false;
      }
      text += '\n';
    };
    std::vector<std::string> generators, initializers, dtypes;
    for (const auto& generator : capabilities.generators()) generators.push_back(generator.name());
    for (const auto& init : capabilities.initializers()) initializers.push_back(init.name());
    for (const int dtype : capabilities.dtypes()) {
      dtypes.push_back(v1::DType_IsValid(dtype) ? v1::DType_Name(dtype) : std::to_string(dtype));
    }
    list("generators    ", generators);
    list("initializers  ", initializers);
    list("dtypes        ", dtypes);
    for (const auto& limit : capabilities.limits()) {
      text += "limit         " + Printable(limit.name()) + " " + WithCommas(limit.value()) + " " +
              Printable(limit.unit()) +
              (limit.flag().empty() ? "" : "  (" + Printable(limit.flag()) + ")") + "\n";
    }
    return text;
  }

  double wait_seconds_ = 0;
};

}  // namespace

std::unique_ptr<Command> MakeStatusCommand(CLI::App& app) {
  return std::make_unique<StatusCommand>(app);
}

}  // namespace weightinit::client
