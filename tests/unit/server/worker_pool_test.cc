#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <latch>
#include <string>
#include <system_error>

#include "tests/support/address_space_limit.h"

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

TEST(WorkerPool, LongTasksLeaveAThreadToOthers) {
  std::latch short_task_ran(1);
  std::atomic<int> long_tasks{0};
  {
    WorkerPool pool(3);
    for (int i = 0; i < 5; ++i) {
      pool.PostLong([&] {
        short_task_ran.wait();
        ++long_tasks;
      });
    }
    pool.Post([&] { short_task_ran.count_down(); });  // else the pool would never end
  }
  EXPECT_EQ(long_tasks, 5) << "those that waited without a thread are run too";
}

TEST(WorkerPool, LongTasksRunOnOneThreadToo) {
  std::atomic<int> count{0};
  {
    WorkerPool pool(1);
    pool.PostLong([&] { pool.PostLong([&] { ++count; }); });
    pool.Post([&] { ++count; });
  }
  EXPECT_EQ(count, 2);
}

TEST(WorkerPool, ThreadsThatCannotBeStartedAreAnError) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers map more than any limit";
  const test::AddressSpaceLimit limit(std::int64_t{2} << 30);  // a few hundred stacks
  try {
    const WorkerPool pool(4096);
    ADD_FAILURE() << "4096 stacks in 2 GiB";
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("cannot start 4096 threads"), std::string::npos);
  }
}

}  // namespace
}  // namespace weightinit::server
