// How many streams there may be at one time, and how many there are.
#ifndef WEIGHTINIT_SERVER_STREAM_SLOTS_H_
#define WEIGHTINIT_SERVER_STREAM_SLOTS_H_

#include <atomic>
#include <chrono>
#include <memory>

namespace weightinit::server {

// Thread-safety: safe for use from several threads at once.
class StreamSlots {
 public:
  using Clock = std::chrono::steady_clock;

  // Gives the slot back when it is destroyed.
  struct Release {
    void operator()(StreamSlots* slots) const {
      slots->last_release_.store(Clock::now());
      slots->taken_.fetch_sub(1);
    }
  };
  using Slot = std::unique_ptr<StreamSlots, Release>;

  // Must outlive its slots.
  explicit StreamSlots(int max) : max_(max) {}

  // nullptr if all are taken.
  Slot TryTake() {
    if (taken_.fetch_add(1) < max_) return Slot(this);
    taken_.fetch_sub(1);
    return nullptr;
  }

  int taken() const { return taken_.load(); }
  int max() const { return max_; }

  // When a slot was last given back.
  Clock::time_point last_release() const { return last_release_.load(); }

 private:
  const int max_;
  std::atomic<int> taken_{0};
  std::atomic<Clock::time_point> last_release_{Clock::time_point::min()};
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_STREAM_SLOTS_H_
