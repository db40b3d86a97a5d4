// A command of the program: its flags, and what it does.
//
// To add one: a function below, its file, and a line in main.cc.
#ifndef WEIGHTINIT_CLIENT_CLI_COMMAND_H_
#define WEIGHTINIT_CLIENT_CLI_COMMAND_H_

#include <memory>

#include "absl/status/statusor.h"
#include "client/cli/session.h"

namespace CLI {
class App;
}

namespace weightinit::client {

class Command {
 public:
  virtual ~Command() = default;
  // The exit code, or what went wrong.
  virtual absl::StatusOr<int> Run(Session& session) = 0;
};

// Each adds a command with its flags to `app`; the command lives as long as the flags are parsed
// into it.
std::unique_ptr<Command> MakeTensorCommand(CLI::App& app);
std::unique_ptr<Command> MakeModelCommand(CLI::App& app);
std::unique_ptr<Command> MakePlanCommand(CLI::App& app);
std::unique_ptr<Command> MakeDigestCommand(CLI::App& app);
std::unique_ptr<Command> MakeVerifyCommand(CLI::App& app);
std::unique_ptr<Command> MakeDiffCommand(CLI::App& app);
std::unique_ptr<Command> MakeManifestCommand(CLI::App& app);
std::unique_ptr<Command> MakeMethodsCommand(CLI::App& app);
std::unique_ptr<Command> MakeRecipesCommand(CLI::App& app);
std::unique_ptr<Command> MakeStatusCommand(CLI::App& app);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_COMMAND_H_
