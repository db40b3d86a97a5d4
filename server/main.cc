// weightinit-server: see --help.
#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <string>
#include <variant>

#include "absl/synchronization/mutex.h"
#include "server/lifecycle.h"
#include "server/logging.h"
#include "server/options.h"
#include "server/server.h"
#include "weightinit/engine.h"

namespace weightinit::server {
namespace {

// Every connection is a file; a server that runs out of them goes deaf for good with some releases
// of gRPC. The system's soft limit is meant for programs that use select().
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Main(int argc, char** argv) {
  const std::variant<ServerOptions, ExitNow> parsed = ParseOptions(argc, argv);
  if (const ExitNow* exit = std::get_if<ExitNow>(&parsed)) {
    std::fputs(exit->text.c_str(), exit->exit_code == 0 ? stdout : stderr);
    return exit->exit_code;
  }
  const ServerOptions& options = std::get<ServerOptions>(parsed);
  BlockStopSignals();  // before the first thread
  RaiseFileLimit();

  const Logger logger(options.log_format, options.log_level);
  for (const std::string& name : options.unknown_environment) {
    logger.Log(LogLevel::kWarn, "an environment variable that sets nothing", {{"name", name}});
  }
  RouteGrpcLog(nullptr);  // while starting, one line of ours says what gRPC takes several for
  auto server = Server::Start(options, logger);
  if (!server.ok()) {
    std::fprintf(stderr, "weightinit-server: %s\n", std::string(server.status().message()).c_str());
    return absl::IsInvalidArgument(server.status()) ? 2 : 1;
  }
  RouteGrpcLog(&logger, &StopIfDeaf);
  std::string addresses;
  for (const std::string& address : (*server)->addresses()) {
    addresses += (addresses.empty() ? "" : ",") + address;
  }
  logger.Announce((*server)->Banner(), {{"version", Version()},
                                        {"addresses", addresses},
                                        {"threads", (*server)->threads()},
                                        {"simd", SimdTarget()},
                                        {"metrics", (*server)->admin_address()}});
  const int exit_code = ServeUntilSignalled(**server, options, logger);
  server->reset();
  RouteGrpcLog(nullptr);  // the logger ends here, gRPC's threads may not have
  return exit_code;
}

}  // namespace
}  // namespace weightinit::server

int main(int argc, char** argv) {
  // Debian's Abseil is a build that looks for deadlocks at every lock: 5 to 10 % of the CPU time.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  try {
    return weightinit::server::Main(argc, argv);
  } catch (const std::exception& error) {  // out of memory or of threads while starting
    std::fprintf(stderr, "weightinit-server: %s\n", error.what());
    return 1;
  }
}
