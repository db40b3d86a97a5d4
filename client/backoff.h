// How long to wait before trying again: longer each time, and never in step with others.
#ifndef WEIGHTINIT_CLIENT_BACKOFF_H_
#define WEIGHTINIT_CLIENT_BACKOFF_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>

namespace weightinit::client {

// Exponential backoff with jitter: the n-th delay is even between half and all of 100 ms · 2^n, at
// most 5 s; a thousand readers of a server that restarts do not come back at once.
//
// Thread-safety: for one thread.
class Backoff {
 public:
  using Clock = std::chrono::steady_clock;

  // Gives up when trouble has lasted longer than `patience`; 0: at once. Trouble is waiting and
  // failing: of a call that lasted, only the first 5 s count, since a server may have been at work
  // for it.
  Backoff(std::chrono::milliseconds patience, std::uint64_t jitter_seed);

  // After a failure: the delay before the next try, at least `at_least`; nullopt to give up.
  std::optional<std::chrono::milliseconds> Next(Clock::time_point now,
                                                std::chrono::milliseconds at_least);

  // Something came: the next failure is the first again.
  void Reset();

 private:
  const std::chrono::milliseconds patience_;
  std::mt19937_64 jitter_;
  int failures_ = 0;
  Clock::duration trouble_{};   // so far
  Clock::time_point next_try_;  // when the last delay was over
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_BACKOFF_H_
