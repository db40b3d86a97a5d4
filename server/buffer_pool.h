// Memory for chunks, used again and again: a fresh megabyte per message costs more in page faults
// than its values take to draw.
#ifndef WEIGHTINIT_SERVER_BUFFER_POOL_H_
#define WEIGHTINIT_SERVER_BUFFER_POOL_H_

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace weightinit::server {

class BufferPool;

// Some bytes, not initialized. Goes back to its pool when it is destroyed, on whatever thread.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::span<std::byte> bytes() { return {memory_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  friend class BufferPool;
  struct Free {
    void operator()(std::byte* memory) const;
  };
  using Memory = std::unique_ptr<std::byte[], Free>;

  void Return();

  Memory memory_;
  std::size_t size_ = 0;
  std::shared_ptr<BufferPool> pool_;  // none: not worth keeping
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
  friend class Buffer;
  BufferPool(std::size_t buffer_bytes, std::size_t max_idle);
  void Return(Buffer::Memory memory);

  const std::size_t buffer_bytes_;
  const std::size_t max_idle_;
  mutable std::mutex mutex_;
  std::vector<Buffer::Memory> idle_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_BUFFER_POOL_H_
