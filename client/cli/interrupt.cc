#include "client/cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

#include "client/cli/exit_code.h"

namespace weightinit::client {

Interrupt::Interrupt() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
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
    if (::poll(files, 2, -1) < 0) continue;
    if (files[1].revents != 0) return;
    struct signalfd_siginfo info;
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (stop_.stop_requested()) ::_exit(kExitUnreachableOrInterrupted);
    stop_.request_stop();
  }
}

}  // namespace weightinit::client
