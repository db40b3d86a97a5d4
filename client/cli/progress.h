// A progress bar on stderr: bytes, rate, time left.
//
//   Progress progress(total_bytes, session.show_progress());
//   progress.Add(count);  // from any thread
//
// Shown on a terminal alone: at once for megabytes, otherwise when the work takes longer than a
// moment. What is done leaves its line; what is broken off clears it.
//
// Thread-safety: Add may be called from several threads at once.
#ifndef WEIGHTINIT_CLIENT_CLI_PROGRESS_H_
#define WEIGHTINIT_CLIENT_CLI_PROGRESS_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

namespace weightinit::client {

// "[█████     ]  50%  1.2 GB of 2.4 GB  3.1 GB/s  1 s left", and without the time left at the end;
// in at most `width` columns.
// `before` of the bytes were there when the clock was started.
std::string ProgressLine(std::int64_t done, std::int64_t total, double seconds, std::size_t width,
                         std::int64_t before = 0);

class Progress {
 public:
  // `before`: bytes that need no work.
  Progress(std::int64_t total_bytes, bool shown, std::int64_t before = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Add(std::int64_t bytes) { done_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  void Draw() const;
  void Show(const std::stop_token& stop);

  const std::int64_t total_, before_;
  const std::chrono::steady_clock::time_point start_;
  std::atomic<std::int64_t> done_;
  bool drawn_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_PROGRESS_H_
