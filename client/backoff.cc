#include "client/backoff.h"

#include <algorithm>

namespace weightinit::client {

using std::chrono::milliseconds;

Backoff::Backoff(milliseconds patience, std::uint64_t jitter_seed)
    : patience_(patience), jitter_(jitter_seed) {}

std::optional<milliseconds> Backoff::Next(Clock::time_point now, milliseconds at_least) {
  constexpr milliseconds kFirst{100}, kMost{5000}, kMostOfACall{5000};
  constexpr int kMaxDoublings = 10;
  if (failures_ == 0) {
    trouble_ = {};
  } else if (now > next_try_) {
    trouble_ += std::min<Clock::duration>(now - next_try_, kMostOfACall);
  }
  const milliseconds longest =
      std::min(kMost, kFirst * (std::int64_t{1} << std::min(failures_, kMaxDoublings)));
  ++failures_;
  std::uniform_int_distribution<milliseconds::rep> between(longest.count() / 2, longest.count());
  const milliseconds delay = std::max(at_least, milliseconds(between(jitter_)));
  trouble_ += delay;
  if (trouble_ > patience_) return std::nullopt;
  next_try_ = now + delay;
  return delay;
}

void Backoff::Reset() { failures_ = 0; }

}  // namespace weightinit::client
