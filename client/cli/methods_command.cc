#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/message_json.h"
#include "client/printable.h"

namespace weightinit::client {
namespace {

class MethodsCommand final : public Command {
 public:
  absl::StatusOr<int> Run(Session& session) override {
    absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
    if (!backend.ok()) return backend.status();
    absl::StatusOr<v1::GetCapabilitiesResponse> capabilities =
        (*backend)->GetCapabilities(session.stop());
    if (!capabilities.ok()) return capabilities.status();
    if (session.flags().json) {
      session.Print(JsonText({{"initializers", MessageJson(*capabilities).at("initializers")}}));
      return kExitDone;
    }
    const Terminal& out = session.out();
    for (const auto& method : capabilities->initializers()) {
      session.Print(out.Bold(Printable(method.name())) + "\n");
      session.Print("    " + Printable(method.formula()) + "\n");
      if (!method.reference().empty()) {
        session.Print("    " + out.Dim(Printable(method.reference())) + "\n");
      }
      for (const auto& parameter : method.parameters()) {
        std::string line = "    " + out.Cyan(Printable(parameter.name())) + "  ";
        line += Printable(parameter.allowed()) + "  ";
        line += out.Dim("default " + Printable(parameter.default_value())) + "\n";
        session.Print(line);
      }
    }
    return kExitDone;
  }
};

}  // namespace

std::unique_ptr<Command> MakeMethodsCommand(CLI::App&) {
  return std::make_unique<MethodsCommand>();
}

}  // namespace weightinit::client
