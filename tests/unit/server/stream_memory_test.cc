#include "server/stream_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

namespace weightinit::server {
namespace {

TEST(StreamMemory, PromisesNoMoreThanThereIs) {
  StreamMemory memory(100);
  StreamMemory::Share first = memory.TryTake(60);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(memory.TryTake(41), nullptr);
  EXPECT_EQ(memory.TryTake(std::numeric_limits<std::int64_t>::max()), nullptr);
  EXPECT_EQ(memory.promised(), 60) << "a refusal takes nothing";
  StreamMemory::Share rest = memory.TryTake(40);
  ASSERT_NE(rest, nullptr);
  const StreamMemory::Share nothing = memory.TryTake(0);
  EXPECT_NE(nothing, nullptr);
  first.reset();
  EXPECT_EQ(memory.promised(), 40);
  rest = StreamMemory::Share();
  EXPECT_EQ(memory.promised(), 0);
}

TEST(StreamMemory, SharesMove) {
  StreamMemory memory(100);
  StreamMemory::Share share;
  share = memory.TryTake(70);
  const StreamMemory::Share moved = std::move(share);
  EXPECT_EQ(memory.promised(), 70);
}

TEST(StreamMemory, ServesSeveralThreads) {
  StreamMemory memory(3);
  std::atomic<int> inside{0}, most{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        const StreamMemory::Share share = memory.TryTake(1);
        if (share == nullptr) continue;
        const int now = inside.fetch_add(1) + 1;
        for (int seen = most.load(); seen < now && !most.compare_exchange_weak(seen, now);) {
        }
        inside.fetch_sub(1);
      }
    });
  }
  threads.clear();
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(memory.promised(), 0);
}

}  // namespace
}  // namespace weightinit::server
