// How many streams there may be at one time.
#ifndef WEIGHTINIT_SERVER_STREAM_SLOTS_H_
#define WEIGHTINIT_SERVER_STREAM_SLOTS_H_

#include <atomic>
#include <memory>

namespace weightinit::server {

// Thread-safety: safe for use from several threads at once.
class StreamSlots {
 public:
  // Gives the slot back when it is destroyed.
  struct Release {
    void operator()(StreamSlots* slots) const { slots->taken_.fetch_sub(1); }
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

 private:
  const int max_;
  std::atomic<int> taken_{0};
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_STREAM_SLOTS_H_
