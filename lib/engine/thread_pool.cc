#include "lib/engine/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <exception>

namespace weightinit {

// One ParallelFor. `task` is alive until every turn has finished, since the caller waits for that.
struct ThreadPool::Loop {
  Loop(std::int64_t n, const std::function<void(std::int64_t)>& f) : count(n), task(f) {}

  // Runs turns until none is left to begin.
  void Run() {
    std::int64_t done = 0;
    for (std::int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      Turn(i);
      ++done;
    }
    if (done > 0 && finished.fetch_add(done) + done == count) {
      const std::lock_guard lock(mutex);
      all_finished.notify_all();
    }
  }
  // After the first exception turns are counted, but no longer run.
  void Turn(std::int64_t i) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      task(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  void Wait() {
    std::unique_lock lock(mutex);
    all_finished.wait(lock, [this] { return finished.load() == count; });
    if (failure != nullptr) std::rethrow_exception(failure);
  }

  const std::int64_t count;
  const std::function<void(std::int64_t)>& task;
  std::atomic<std::int64_t> next{0};
  std::atomic<std::int64_t> finished{0};
  std::mutex mutex;
  std::condition_variable all_finished;
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
};

ThreadPool::ThreadPool(int threads) : threads_(threads) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::StartOnce() {
  std::call_once(started_, [this] {
    try {
      for (int i = 1; i < threads_; ++i) workers_.emplace_back([this] { Work(); });
    } catch (const std::exception&) {
      // The system gives no more threads: loops run on those there are, the caller's at least.
    }
  });
}

void ThreadPool::ParallelFor(std::int64_t count, const std::function<void(std::int64_t)>& task) {
  if (count <= 1 || threads_ == 1) {
    for (std::int64_t i = 0; i < count; ++i) task(i);
    return;
  }
  StartOnce();
  const auto loop = std::make_shared<Loop>(count, task);
  {
    const std::lock_guard lock(mutex_);
    loops_.push_back(loop);
  }
  wake_.notify_all();
  loop->Run();
  {
    const std::lock_guard lock(mutex_);
    std::erase(loops_, loop);
  }
  loop->Wait();
}

void ThreadPool::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !loops_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<Loop> loop = loops_.front();
    lock.unlock();
    loop->Run();
    lock.lock();
    // Nothing is left to begin here; the next loop may have work.
    if (!loops_.empty() && loops_.front() == loop) loops_.pop_front();
  }
}

}  // namespace weightinit
