#include "server/buffer_pool.h"

#include <new>
#include <utility>

namespace weightinit::server {
namespace {

// A page, and more than any vector register: stores never straddle a cache line.
constexpr std::align_val_t kAlignment{4096};
// Below this part of a full buffer, a buffer of its own size is used instead.
constexpr std::size_t kWorthPooling = 2;

}  // namespace

void Buffer::Free::operator()(std::byte* memory) const { ::operator delete[](memory, kAlignment); }

Buffer::~Buffer() { Return(); }

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::move(other.memory_)),
      size_(std::exchange(other.size_, 0)),
      pool_(std::move(other.pool_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  Return();
  memory_ = std::move(other.memory_);
  size_ = std::exchange(other.size_, 0);
  pool_ = std::move(other.pool_);
  return *this;
}

void Buffer::Return() {
  if (pool_ != nullptr) pool_->Return(std::move(memory_));
  pool_.reset();
}

std::shared_ptr<BufferPool> BufferPool::Create(std::size_t buffer_bytes, std::size_t max_idle) {
  return std::shared_ptr<BufferPool>(new BufferPool(buffer_bytes, max_idle));
}

BufferPool::BufferPool(std::size_t buffer_bytes, std::size_t max_idle)
    : buffer_bytes_(buffer_bytes), max_idle_(max_idle) {
  idle_.reserve(max_idle);  // so that Return never allocates
}

Buffer BufferPool::Take(std::size_t size) {
  Buffer buffer;
  buffer.size_ = size;
  if (size == 0) return buffer;
  const bool is_pooled = size > buffer_bytes_ / kWorthPooling;
  if (is_pooled) {
    buffer.pool_ = shared_from_this();
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      buffer.memory_ = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (buffer.memory_ == nullptr) {
    const std::size_t bytes = is_pooled ? buffer_bytes_ : size;
    buffer.memory_.reset(static_cast<std::byte*>(::operator new[](bytes, kAlignment)));
  }
  return buffer;
}

void BufferPool::Return(Buffer::Memory memory) {
  const std::lock_guard lock(mutex_);
  if (memory != nullptr && idle_.size() < max_idle_) idle_.push_back(std::move(memory));
}

std::size_t BufferPool::idle() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

}  // namespace weightinit::server
