// How many bytes streams may hold in chunks at one time, and how many are promised.
#ifndef WEIGHTINIT_SERVER_STREAM_MEMORY_H_
#define WEIGHTINIT_SERVER_STREAM_MEMORY_H_

#include <atomic>
#include <cstdint>
#include <memory>

namespace weightinit::server {

// Thread-safety: safe for use from several threads at once.
class StreamMemory {
 public:
  // What one stream was promised; gives it back when it is destroyed.
  struct Release {
    StreamMemory* memory = nullptr;
    std::int64_t bytes = 0;
    void operator()(const StreamMemory*) const { memory->promised_.fetch_sub(bytes); }
  };
  using Share = std::unique_ptr<const StreamMemory, Release>;

  // Must outlive its shares.
  explicit StreamMemory(std::int64_t max_bytes) : max_bytes_(max_bytes) {}

  // nullptr if not so much is left. REQUIRES: 0 ≤ bytes
  Share TryTake(std::int64_t bytes) {
    std::int64_t promised = promised_.load();
    do {
      if (bytes > max_bytes_ - promised) return nullptr;
    } while (!promised_.compare_exchange_weak(promised, promised + bytes));
    return Share(this, Release{this, bytes});
  }

  std::int64_t promised() const { return promised_.load(); }
  std::int64_t max_bytes() const { return max_bytes_; }

 private:
  const std::int64_t max_bytes_;
  std::atomic<std::int64_t> promised_{0};
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_STREAM_MEMORY_H_
