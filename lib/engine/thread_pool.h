// A pool of threads for loops whose turns are independent.
//
// Thread-safety: ParallelFor may be called from several threads at once, also from inside a task.
#ifndef WEIGHTINIT_LIB_ENGINE_THREAD_POOL_H_
#define WEIGHTINIT_LIB_ENGINE_THREAD_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace weightinit {

class ThreadPool {
 public:
  // `threads` counts the caller of ParallelFor: threads − 1 are started, by the first loop that can
  // use them, or as many as the system gives. REQUIRES: threads ≥ 1
  explicit ThreadPool(int threads);
  ~ThreadPool();

  // Calls task(0) … task(count − 1), each once, and returns when all have returned. The caller
  // works too, so a loop never waits for another one's threads. What a task throws is thrown here,
  // once no task runs any more; the turns that had not begun are left out.
  void ParallelFor(std::int64_t count, const std::function<void(std::int64_t)>& task);

  int threads() const { return threads_; }

 private:
  struct Loop;
  void StartOnce();
  void Work();

  const int threads_;
  std::once_flag started_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Loop>> loops_;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_ENGINE_THREAD_POOL_H_
