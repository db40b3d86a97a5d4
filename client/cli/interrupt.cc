#include "client/cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "client/cli/exit_code.h"

namespace weightinit::client {
namespace {

constexpr int kWakeUp = SIGURG;
// More than once, since it may come just before the thread blocks.
constexpr int kMillisecondsBetweenWakeUps = 20;

}  // namespace

Interrupt::Interrupt() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) {
      sigaddset(&wanted, signal);
    }
  }
  // Every thread that starts from here on inherits the mask: the signals come to the signalfd.
  pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  signals_ = ::signalfd(-1, &wanted, SFD_CLOEXEC);
  end_ = ::eventfd(0, EFD_CLOEXEC);
  if (signals_ < 0 || end_ < 0) {  // out of descriptors: then signals end us as they always did
    pthread_sigmask(SIG_UNBLOCK, &wanted, nullptr);
    return;
  }
  // Without SA_RESTART; and nobody misses SIGURG, which is ignored by default.
  struct sigaction wake {};
  wake.sa_handler = [](int) {};
  sigaction(kWakeUp, &wake, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(end_, &one, sizeof one);
    thread_.join();
  }
  if (signals_ >= 0) ::close(signals_);
  if (end_ >= 0) ::close(end_);
}

void Interrupt::Watch() {
  while (true) {
    struct pollfd files[] = {{signals_, POLLIN, 0}, {end_, POLLIN, 0}};
    const bool stopped = stop_.stop_requested();
    const int ready = ::poll(files, 2, stopped ? kMillisecondsBetweenWakeUps : -1);
    if (ready < 0) continue;
    if (files[1].revents != 0) return;
    if (stopped) pthread_kill(main_thread_, kWakeUp);
    if (ready == 0) continue;
    struct signalfd_siginfo info;
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (stop_.stop_requested()) ::_exit(kExitUnreachableOrInterrupted);
    stop_.request_stop();
  }
}

}  // namespace weightinit::client
