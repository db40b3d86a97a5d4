// Signals, and the order in which a server goes down.
#ifndef WEIGHTINIT_SERVER_LIFECYCLE_H_
#define WEIGHTINIT_SERVER_LIFECYCLE_H_

#include <chrono>
#include <string_view>

#include "server/logging.h"
#include "server/options.h"
#include "server/server.h"

namespace weightinit::server {

// SIGTERM and SIGINT no longer end the process; ServeUntilSignalled waits for them. Call before any
// thread exists: threads inherit it.
void BlockStopSignals();

// Returns when a stop signal comes, or false after `time`.
bool WaitForStopSignal(std::chrono::milliseconds time);

// To see gRPC's log (RouteGrpcLog). gRPC 1.51 gives a listener up for good when a connection cannot
// be taken, for want of a file descriptor above all (CVE-2023-4785), and tells it nowhere else. The
// server then stops as by SIGTERM, but with status 1: whoever runs it starts it again.
void StopIfDeaf(std::string_view grpc_line);

// Waits for SIGTERM or SIGINT. Then: health turns NOT_SERVING; --drain-delay passes, in which calls
// are answered as before; new streams are refused, and running ones end within --shutdown-grace.
// Returns the exit status: 0, or 1 if StopIfDeaf had to. A second signal ends the process at once,
// with 1.
//
// REQUIRES: BlockStopSignals was called
int ServeUntilSignalled(Server& server, const ServerOptions& options, const Logger& logger);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_LIFECYCLE_H_
