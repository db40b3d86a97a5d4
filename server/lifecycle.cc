#include "server/lifecycle.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <stop_token>
#include <thread>

namespace weightinit::server {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Signals are the process's, and so is this; gRPC's log carries no pointer of ours.
enum class Stop : std::uint8_t { kNone, kAsked, kDeaf };
std::atomic<Stop>& TheStop() {
  static std::atomic<Stop> stop{Stop::kNone};
  return stop;
}

[[noreturn]] void ExitAtOnce(const Server& server, const Logger& logger) {
  logger.Log(LogLevel::kWarn, "second signal, exiting at once");
  server.RemoveSockets();
  _exit(1);  // no destructors: whatever they would wait for is what the user does not want to wait
             // for
}

}  // namespace

void BlockStopSignals() {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool WaitForStopSignal(std::chrono::milliseconds time) {
  const sigset_t signals = StopSignals();
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() < 0) return false;
    const timespec wait{.tv_sec = left.count() / 1'000'000'000,
                        .tv_nsec = left.count() % 1'000'000'000};
    if (sigtimedwait(&signals, nullptr, &wait) > 0) return true;
    if (errno != EINTR) return false;
  }
}

void StopIfDeaf(std::string_view grpc_line) {
  if (grpc_line.find("Failed accept4") == std::string_view::npos) return;
  Stop none = Stop::kNone;  // a second signal would end the process at once
  if (TheStop().compare_exchange_strong(none, Stop::kDeaf)) kill(getpid(), SIGTERM);
}

int ServeUntilSignalled(Server& server, const ServerOptions& options, const Logger& logger) {
  while (!WaitForStopSignal(std::chrono::hours(1))) {
  }
  Stop none = Stop::kNone;
  const bool is_deaf = !TheStop().compare_exchange_strong(none, Stop::kAsked);
  if (is_deaf) {
    logger.Log(LogLevel::kError,
               "a listener takes no connections any more: stopping, to be started again");
  }
  logger.Log(
      LogLevel::kInfo, "stopping: health is NOT_SERVING, still answering",
      {{"drain_delay_ms", options.drain_delay.count()}, {"streams", server.active_streams()}});
  server.SetNotServing();
  if (WaitForStopSignal(options.drain_delay)) ExitAtOnce(server, logger);

  logger.Log(LogLevel::kInfo, "stopping: no new streams",
             {{"shutdown_grace_ms", options.shutdown_grace.count()},
              {"streams", server.active_streams()}});
  {
    const std::jthread second([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        if (WaitForStopSignal(std::chrono::milliseconds(50))) ExitAtOnce(server, logger);
      }
    });
    server.Shutdown(options.shutdown_grace);
  }
  logger.Log(LogLevel::kInfo, "stopped");
  return is_deaf ? 1 : 0;
}

}  // namespace weightinit::server
