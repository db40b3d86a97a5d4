// A pool of threads that draw, so that gRPC's own threads never do.
#ifndef WEIGHTINIT_SERVER_WORKER_POOL_H_
#define WEIGHTINIT_SERVER_WORKER_POOL_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace weightinit::server {

// Runs tasks in the order they come. A stream posts its next chunk only when the one before is
// done, so that streams take turns. Tasks that may take long leave one thread to the others: two
// who wait for one large matrix must not keep everyone else waiting.
//
// Thread-safety: Post may be called from any thread, tasks included.
class WorkerPool {
 public:
  // Throws std::system_error if the system does not give that many threads. REQUIRES: threads ≥ 1
  explicit WorkerPool(int threads);
  // Runs what was posted to its end, then joins the threads.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // REQUIRES: task does not throw
  void Post(std::function<void()> task);

  // The same for a task that may take long, or wait. At most threads − 1 of these run at one time
  // (of one thread, one); the others wait without a thread.
  void PostLong(std::function<void()> task);

  int threads() const { return static_cast<int>(threads_.size()); }

 private:
  struct Task {
    std::uint64_t number = 0;  // in the order they came
    bool is_long = false;
    std::function<void()> run;
  };
  void Add(bool is_long, std::function<void()> run);
  void Run();
  bool IsLongNext() const;
  void Stop();

  const int max_long_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_, long_tasks_;
  std::uint64_t posted_ = 0;
  int running_long_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_WORKER_POOL_H_
