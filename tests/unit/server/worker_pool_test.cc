#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

namespace weightinit::server {
namespace {

TEST(WorkerPool, RunsEverythingBeforeItEnds) {
  std::atomic<int> count{0};
  {
    WorkerPool pool(3);
    EXPECT_EQ(pool.threads(), 3);
    for (int i = 0; i < 1000; ++i) pool.Post([&count] { ++count; });
  }
  EXPECT_EQ(count, 1000);
}

TEST(WorkerPool, TasksMayPostTasks) {
  std::atomic<int> count{0};
  {
    WorkerPool pool(1);
    pool.Post([&] {
      ++count;
      pool.Post([&] { ++count; });
    });
  }
  EXPECT_EQ(count, 2);
}

}  // namespace
}  // namespace weightinit::server
