#include "server/buffer_pool.h"

#include <new>
#include <utility>

namespace weightinit::server {
namespace {

constexpr std::size_t kPageBytes = 4096;
// Buffers begin in the middle of a page. What is copied to a socket comes to lie a few bytes behind
// the beginning of a page, and on some processors (seen on AMD's Zen 3, whose kernel copies by `rep
// movsb`) a copy crawls whose source and destination are in about the same place of their pages: a
// stream from buffers at the beginning of a page cost the server 0.5 CPU seconds per GB instead of
// 0.2.
constexpr std::size_t kBeginInPage = kPageBytes / 2;
// Below this part of a full buffer, a buffer of its own size is used instead.
constexpr std::size_t kWorthPooling = 2;

}  // namespace

Buffer Buffer::First(std::size_t size) const { return Buffer(memory_, size); }

void BufferPool::Free::operator()(std::byte* memory) const {
  ::operator delete[](memory - kBeginInPage, std::align_val_t{kPageBytes});
}

std::shared_ptr<BufferPool> BufferPool::Create(std::size_t buffer_bytes, std::size_t max_idle) {
  return std::shared_ptr<BufferPool>(new BufferPool(buffer_bytes, max_idle));
}

BufferPool::BufferPool(std::size_t buffer_bytes, std::size_t max_idle)
    : buffer_bytes_(buffer_bytes), max_idle_(max_idle) {
  idle_.reserve(max_idle);  // so that Return never allocates
}

Buffer BufferPool::Take(std::size_t size) {
  if (size == 0) return Buffer();
  if (size <= buffer_bytes_ / kWorthPooling) return Buffer(Allocate(size), size);
  Memory memory = TakeIdle();
  if (memory == nullptr) memory = Allocate(buffer_bytes_);
  const auto give_back = [pool = shared_from_this()](std::byte* used) {
    pool->Return(Memory(used));
  };
  return Buffer(std::shared_ptr<std::byte[]>(memory.release(), give_back), size);
}

BufferPool::Memory BufferPool::Allocate(std::size_t bytes) {
  void* page = ::operator new[](kBeginInPage + bytes, std::align_val_t{kPageBytes});
  return Memory(static_cast<std::byte*>(page) + kBeginInPage);
}

BufferPool::Memory BufferPool::TakeIdle() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return nullptr;
  Memory memory = std::move(idle_.back());
  idle_.pop_back();
  return memory;
}

void BufferPool::Return(Memory memory) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < max_idle_) idle_.push_back(std::move(memory));
}

std::size_t BufferPool::idle() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

}  // namespace weightinit::server
