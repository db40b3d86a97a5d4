// A pool of threads that draw, so that gRPC's own threads never do.
#ifndef WEIGHTINIT_SERVER_WORKER_POOL_H_
#define WEIGHTINIT_SERVER_WORKER_POOL_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weightinit::server {

// Runs tasks in the order they come. A stream posts its next chunk only when the one before is
// done, so that streams take turns.
//
// Thread-safety: Post may be called from any thread, tasks included.
class WorkerPool {
 public:
  // REQUIRES: threads ≥ 1
  explicit WorkerPool(int threads);
  // Runs what was posted to its end, then joins the threads.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // REQUIRES: task does not throw
  void Post(std::function<void()> task);

  int threads() const { return static_cast<int>(threads_.size()); }

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_WORKER_POOL_H_
