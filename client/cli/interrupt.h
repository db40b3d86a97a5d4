// Ctrl-C and its kin, turned into a stop token.
//
//   Interrupt interrupt;                       // before any other thread starts
//   backend.Read(…, interrupt.token());
//
// SIGINT, SIGTERM, SIGHUP and SIGQUIT request the stop, so that temporary files are removed and
// servers told on the ordinary way out; a second signal ends the program at once. Signals that were
// ignored when the program started (nohup, background jobs) stay ignored.
//
// From then on the thread that made the Interrupt is woken from system calls that block (a pipe
// that nobody reads, a fifo that nobody writes): they fail with EINTR, again and again, until it is
// over.
//
// Thread-safety: token may be called from any thread.
#ifndef WEIGHTINIT_CLIENT_CLI_INTERRUPT_H_
#define WEIGHTINIT_CLIENT_CLI_INTERRUPT_H_

#include <pthread.h>

#include <stop_token>
#include <thread>

namespace weightinit::client {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void Watch();

  std::stop_source stop_;
  const pthread_t main_thread_ = pthread_self();
  int signals_ = -1, end_ = -1;  // a signalfd, and what ends the thread
  std::thread thread_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_INTERRUPT_H_
