#include "server/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

namespace weightinit::server {
namespace {

constexpr std::size_t kBytes = 64 << 10;

TEST(BufferPool, UsesMemoryAgain) {
  const auto pool = BufferPool::Create(kBytes, 2);
  const std::byte* memory = nullptr;
  {
    const Buffer buffer = pool->Take(kBytes);
    memory = buffer.bytes().data();
    EXPECT_EQ(buffer.bytes().size(), kBytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0u);
    EXPECT_NE(reinterpret_cast<std::uintptr_t>(memory) % 4096, 0u) << "slow to send";
  }
  EXPECT_EQ(pool->idle(), 1u);
  EXPECT_EQ(pool->Take(kBytes - 8).bytes().data(), memory);
}

TEST(BufferPool, KeepsNoMoreThanItMay) {
  const auto pool = BufferPool::Create(kBytes, 2);
  {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 5; ++i) buffers.push_back(pool->Take(kBytes));
  }
  EXPECT_EQ(pool->idle(), 2u);
}

TEST(BufferPool, SmallBuffersDoNotPinLargeOnes) {
  const auto pool = BufferPool::Create(kBytes, 2);
  { const Buffer small = pool->Take(100); }
  { const Buffer none = pool->Take(0); }
  EXPECT_EQ(pool->idle(), 0u);
}

TEST(BufferPool, BuffersOutliveTheirOwner) {
  auto pool = BufferPool::Create(kBytes, 2);
  Buffer buffer = pool->Take(kBytes);
  pool.reset();
  std::memset(buffer.bytes().data(), 1, buffer.bytes().size());
  Buffer moved = std::move(buffer);
  EXPECT_EQ(moved.bytes().size(), kBytes);
  buffer = std::move(moved);
  EXPECT_EQ(buffer.bytes().size(), kBytes);
}

TEST(BufferPool, CopiesShareTheirMemory) {
  const auto pool = BufferPool::Create(kBytes, 2);
  Buffer buffer = pool->Take(kBytes);
  const Buffer part = buffer.First(kBytes - 8);
  EXPECT_EQ(part.bytes().data(), buffer.bytes().data());
  EXPECT_EQ(part.bytes().size(), kBytes - 8);
  buffer = Buffer();
  EXPECT_EQ(pool->idle(), 0u) << "still in use";
}

TEST(BufferPool, ServesSeveralThreads) {
  const auto pool = BufferPool::Create(kBytes, 4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool] {
      for (int i = 0; i < 1000; ++i) {
        Buffer buffer = pool->Take(kBytes);
        buffer.bytes()[0] = std::byte{1};
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(pool->idle(), 4u);
}

}  // namespace
}  // namespace weightinit::server
