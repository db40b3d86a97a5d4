// The program `weightinit`: commands that draw, explain and check initial weights, in this process
// or on a server.
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/cli/command.h"
#include "client/cli/common_flags.h"
#include "client/cli/exit_code.h"
#include "client/cli/interrupt.h"
#include "client/cli/session.h"
#include "client/formats/nearest.h"
#include "client/printable.h"
#include "weightinit/engine.h"

namespace weightinit::client {
namespace {

struct CommandInfo {
  std::string_view name, what, example;
  std::unique_ptr<Command> (*make)(CLI::App&);
  bool asks_server, draws;
};

constexpr CommandInfo kCommands[] = {
    {"tensor", "draw one tensor",
     "weightinit tensor --shape 256,128 --init kaiming_uniform --nonlinearity relu -o w.npy",
     MakeTensorCommand, true, true},
    {"model", "draw the tensors of a recipe",
     "weightinit model resnet50 --seed 42 -o resnet50.safetensors", MakeModelCommand, true, true},
    {"plan", "show what would be drawn, and why", "weightinit plan resnet50 --only 'fc\\..*'",
     MakePlanCommand, true, false},
    {"digest", "print digests, per tensor and total", "weightinit digest resnet50.safetensors",
     MakeDigestCommand, true, true},
    {"verify", "compare a checkpoint with what a recipe draws, bit for bit",
     "weightinit verify resnet50.safetensors --recipe resnet50 --seed 42", MakeVerifyCommand, true,
     true},
    {"diff", "show which tensors two recipes draw differently, and why",
     "weightinit diff old.yaml new.yaml", MakeDiffCommand, false, false},
    {"manifest", "list the tensors of a checkpoint, as a recipe without rules",
     "weightinit manifest resnet50.safetensors > manifest.yaml", MakeManifestCommand, false, false},
    {"methods", "list initializers, with formulas and parameters", "weightinit methods",
     MakeMethodsCommand, true, false},
    {"recipes", "list ready recipes, or print one", "weightinit recipes resnet50 > my.yaml",
     MakeRecipesCommand, false, false},
    {"status", "ask a server for its health and capabilities",
     "weightinit status --server localhost:50051 --wait 30", MakeStatusCommand, true, false},
};

std::string Overview(const Terminal& terminal) {
  std::string text = terminal.Bold("weightinit " + std::string(Version())) +
                     ": initial weights, the same bits for everyone who asks\n\n";
  for (const CommandInfo& command : kCommands) {
    std::string name(command.name);
    name.resize(10, ' ');
    text += "  " + terminal.Bold(name) + std::string(command.what) + "\n            " +
            terminal.Dim(command.example) + "\n";
  }
  return text +
         "\n`weightinit COMMAND --help` explains the flags. With --server HOST:PORT (or "
         "WEIGHTINIT_SERVER)\na server draws; without it, this process.\n\n"
         "Exit codes: 0 done; 1 refused, failed or different; 2 a mistake on the command line; 3 a "
         "server\nout of reach, out of time, or interrupted.\n";
}

int Usage(const Session& session, const std::string& message) {
  return session.Fail(UsageError(message));
}

// "; did you mean '--seed'?", where an unknown flag comes near a known one.
std::string FlagHint(const CLI::App& command) {
  for (const std::string& given : command.remaining()) {
    if (!given.starts_with("--")) continue;
    std::vector<std::string> names;
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    const std::string_view nearest = Nearest(given.substr(0, given.find('=')), views);
    if (!nearest.empty()) return "; did you mean '" + std::string(nearest) + "'?";
  }
  return "";
}

int Run(int argc, char** argv, Session& session) {
  CLI::App app("", "weightinit");
  app.require_subcommand(1);
  app.set_version_flag("--version", "weightinit " + std::string(Version()));
  std::vector<std::pair<CLI::App*, std::unique_ptr<Command>>> commands;
  std::vector<std::string_view> names;
  for (const CommandInfo& info : kCommands) {
    CLI::App* command = app.add_subcommand(std::string(info.name), std::string(info.what));
    command->footer("Example:\n  " + std::string(info.example));
    commands.emplace_back(command, info.make(*command));
    if (info.asks_server) AddServerFlags(*command, session.flags());
    if (info.draws) AddProcessFlags(*command, session.flags());
    AddCommonFlags(*command, session.flags());
    names.push_back(info.name);
  }

  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (arguments.size() > 1 && arguments[0] == "help") {  // `help tensor` is `tensor --help`
    arguments = {arguments[1], "--help"};
  }
  // Mistakes are told as JSON too, whatever they keep from being read.
  session.flags().json = std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  const std::string first = arguments.empty() ? "" : arguments[0];
  if (first.empty() || first == "-h" || first == "--help" || first == "help") {
    session.Print(Overview(session.out()));
    return first.empty() ? kExitUsage : kExitDone;
  }
  if (first.starts_with('-') && first != "--version") {
    return Usage(session, "a command comes first, and its flags after it, as in `weightinit plan " +
                              first + " …`");
  }
  if (!first.starts_with('-') && std::find(names.begin(), names.end(), first) == names.end()) {
    return Usage(session, "unknown command '" + first + "'" + Hint(first, names));
  }

  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {  // --help, --version
      std::ostringstream out, err;
      app.exit(error, out, err);
      session.Print(out.str());
      return kExitDone;
    }
    std::string message = error.what();
    for (const auto& [command, unused] : commands) {
      if (command->parsed()) {
        message += FlagHint(*command) + "\nTry 'weightinit " + command->get_name() + " --help'.";
      }
    }
    return Usage(session, message);
  }

  for (const auto& [command, runner] : commands) {
    if (!command->parsed()) continue;
    if (absl::Status status = session.CheckFlags(); !status.ok()) return session.Fail(status);
    const absl::StatusOr<int> code = runner->Run(session);
    return code.ok() ? *code : session.Fail(code.status());
  }
  return kExitUsage;
}

// Of stdin, stdout and stderr one may be closed (1>&-). What is opened next would take its number,
// and what we print would go there. /dev/null, and for reading, so that writing still fails.
void FillClosedStandardStreams() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDONLY);
  if (fd >= 0) ::close(fd);
}

}  // namespace
}  // namespace weightinit::client

int main(int argc, char** argv) {
  weightinit::client::FillClosedStandardStreams();
  // Received messages come and go in slices of 64 KiB. By default glibc gives their memory back to
  // the kernel and faults it in again, at half the throughput. All three belong together: setting
  // any one freezes the threshold above which each message of 1 MiB would be mapped on its own.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  // Memory that one thread has freed is taken by the others, instead of a peak for each.
  mallopt(M_ARENA_MAX, 1);
  // gRPC 1.51 reads into as many buffers of 64 KiB as twice what ever came at once, and keeps them:
  // a hundred megabytes for four connections. Without, into one of at most 4 MiB.
  setenv("GRPC_EXPERIMENTS", "-tcp_read_chunks", /*overwrite=*/0);
  // Debian's Abseil is a build that looks for deadlocks at every lock: 5 to 10 % of the CPU time.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // A file beyond `ulimit -f` is an error to report, after which the temporary file is removed, not
  // the end of the program.
  signal(SIGXFSZ, SIG_IGN);
  // What goes wrong with a connection comes back as a status; gRPC's own lines would double it.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);

  try {
    const weightinit::client::Interrupt interrupt;  // before any other thread
    weightinit::client::Session session(interrupt.token());
    const int code = weightinit::client::Run(argc, argv, session);
    if (absl::Status status = session.Flush(); !status.ok()) return session.Fail(status);
    return code;
  } catch (const std::exception& error) {  // memory, threads: what nobody could report better
    std::fprintf(stderr, "weightinit: %s\n", weightinit::client::Printable(error.what()).c_str());
    return weightinit::client::kExitFailed;
  }
}
