// What is to be looked after once a second: files that may have changed, readers that may be stuck.
#ifndef WEIGHTINIT_SERVER_TICKER_H_
#define WEIGHTINIT_SERVER_TICKER_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

namespace weightinit::server {

// Thread-safety: for use by one thread.
class Ticker {
 public:
  static constexpr std::chrono::seconds kPeriod{1};

  // Calls every task once per period, one after the other, on a thread of its own; none without
  // tasks. What the tasks use must outlive this. REQUIRES: tasks do not throw
  explicit Ticker(std::vector<std::function<void()>> tasks) : tasks_(std::move(tasks)) {
    if (tasks_.empty()) return;
    thread_ = std::jthread([this](const std::stop_token& stop) { Run(stop); });
  }

 private:
  void Run(const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any wake;
    while (!stop.stop_requested()) {
      wake.wait_for(lock, stop, kPeriod, [] { return false; });
      if (stop.stop_requested()) return;
      for (const auto& task : tasks_) task();
    }
  }

  const std::vector<std::function<void()>> tasks_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_TICKER_H_
