#include "server/worker_pool.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

namespace weightinit::server {

WorkerPool::WorkerPool(int threads) : max_long_(std::max(threads - 1, 1)) {
  threads_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
  } catch (const std::system_error& error) {
    Stop();
    throw std::system_error(error.code(), "cannot start " + std::to_string(threads) + " threads");
  }
}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Post(std::function<void()> task) { Add(false, std::move(task)); }

void WorkerPool::PostLong(std::function<void()> task) { Add(true, std::move(task)); }

void WorkerPool::Add(bool is_long, std::function<void()> run) {
  {
    const std::lock_guard lock(mutex_);
    (is_long ? long_tasks_ : tasks_).push_back({posted_++, is_long, std::move(run)});
  }
  wake_.notify_one();
}

bool WorkerPool::IsLongNext() const {
  if (long_tasks_.empty() || running_long_ == max_long_) return false;
  return tasks_.empty() || long_tasks_.front().number < tasks_.front().number;
}

void WorkerPool::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    // A long task that may not begin is left to the threads that run the others of its kind.
    wake_.wait(lock, [this] {
      return IsLongNext() || !tasks_.empty() || (stopping_ && long_tasks_.empty());
    });
    std::deque<Task>& tasks = IsLongNext() ? long_tasks_ : tasks_;
    if (tasks.empty()) return;
    Task task = std::move(tasks.front());
    tasks.pop_front();
    running_long_ += task.is_long;
    lock.unlock();
    task.run();
    task.run = nullptr;  // what it holds may be destroyed, but not under the lock
    lock.lock();
    running_long_ -= task.is_long;
    // Who waits for this, to begin another long task or to end, looks again.
    if (task.is_long) wake_.notify_all();
  }
}

}  // namespace weightinit::server
