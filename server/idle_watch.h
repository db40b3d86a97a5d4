// Cuts off streams whose reader has stopped reading.
#ifndef WEIGHTINIT_SERVER_IDLE_WATCH_H_
#define WEIGHTINIT_SERVER_IDLE_WATCH_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>

namespace grpc {
class CallbackServerContext;
}

namespace weightinit::server {

// What a stream shows of itself. A write that is not done yet makes `steps` odd: one relaxed
// addition per message is all that it costs.
struct StreamProgress {
  std::atomic<std::uint32_t> steps{0};
  std::atomic<bool> is_cut{false};  // by the watch

  void BeginWrite() { steps.fetch_add(1, std::memory_order_relaxed); }
  void EndWrite() { steps.fetch_add(1, std::memory_order_relaxed); }
};

// Thread-safety: safe for use from several threads at once; Sweep by one.
class IdleWatch {
 private:
  struct Stream {
    const grpc::CallbackServerContext* context;
    StreamProgress* progress;
    std::uint32_t seen = 0;
    std::chrono::steady_clock::time_point since;
  };
  using Streams = std::list<Stream>;

 public:
  // 0: watches nothing.
  explicit IdleWatch(std::chrono::milliseconds timeout) : timeout_(timeout) {}

  // A stream that is watched until this is reset or destroyed; nullptr if nothing is.
  struct Remove {
    IdleWatch* watch = nullptr;
    Streams::iterator stream;
    void operator()(const IdleWatch*) const;
  };
  using Watched = std::unique_ptr<const IdleWatch, Remove>;

  // Both must live until the end of what is returned.
  Watched Watch(const grpc::CallbackServerContext& context, StreamProgress& progress);

  // Cancels every call whose write has waited for the timeout. To be called now and then, more
  // often than that.
  void Sweep(std::chrono::steady_clock::time_point now);

  std::chrono::milliseconds timeout() const { return timeout_; }

 private:
  const std::chrono::milliseconds timeout_;
  // gRPC may end a call, and so remove it here, within our cancelling it.
  std::recursive_mutex mutex_;
  Streams streams_;  // guarded by mutex_
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_IDLE_WATCH_H_
