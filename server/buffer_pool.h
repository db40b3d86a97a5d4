// Memory for chunks, used again and again: a fresh megabyte per message costs more in page faults
// than its values take to draw. Begins where a cache line does.
#ifndef WEIGHTINIT_SERVER_BUFFER_POOL_H_
#define WEIGHTINIT_SERVER_BUFFER_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace weightinit::server {

// Some bytes, not initialized. Copies share them: whoever writes has the only one. With the last
// copy they go back to their pool, on whatever thread.
class Buffer {
 public:
  Buffer() = default;

  std::span<std::byte> bytes() { return {memory_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }

  // The first `size` of the same bytes. REQUIRES: size ≤ bytes().size()
  Buffer First(std::size_t size) const;

 private:
  friend class BufferPool;
  Buffer(std::shared_ptr<std::byte[]> memory, std::size_t size)
      : memory_(std::move(memory)), size_(size) {}

  std::shared_ptr<std::byte[]> memory_;
  std::size_t size_ = 0;
};

// Thread-safety: safe for use from several threads at once. Buffers keep it alive, since gRPC may
// let go of the last bytes after the server is gone.
class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  // Buffers of `buffer_bytes`, of which at most `max_idle` are kept while no one uses them.
  static std::shared_ptr<BufferPool> Create(std::size_t buffer_bytes, std::size_t max_idle);

  // A buffer of exactly `size` bytes. Much smaller ones are allocated by themselves: a small
  // message that waits in the transport must not pin down a large buffer. REQUIRES: size ≤
  // buffer_bytes
  Buffer Take(std::size_t size);

  // Buffers that wait to be used again.
  std::size_t idle() const;

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  using Memory = std::unique_ptr<std::byte[], Free>;

  BufferPool(std::size_t buffer_bytes, std::size_t max_idle);
  static Memory Allocate(std::size_t bytes);
  Memory TakeIdle();
  void Return(Memory memory);

  const std::size_t buffer_bytes_;
  const std::size_t max_idle_;
  mutable std::mutex mutex_;
  std::vector<Memory> idle_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_BUFFER_POOL_H_
