// Takes values into memory of the caller's, with the one copy that leaves the transport's.
//
//   std::vector<float> w(…);
//   auto receiver = BufferReceiver::Create(bound, {std::as_writable_bytes(std::span(w))});
//   absl::Status status = backend.Read(model, selections, {}, **receiver, stop);
//
// Thread-safety: as Receiver says.
#ifndef WEIGHTINIT_CLIENT_BUFFER_RECEIVER_H_
#define WEIGHTINIT_CLIENT_BUFFER_RECEIVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "weightinit/selection.h"

namespace weightinit::client {

class BufferReceiver final : public Receiver {
 public:
  // One buffer for each selection, of exactly its bytes. They must outlive this, and hold all
  // values once Read has returned OK. Errors: INVALID_ARGUMENT for buffers of other sizes.
  static absl::StatusOr<std::unique_ptr<BufferReceiver>> Create(
      std::span<const BoundSelection> selections, std::vector<std::span<std::byte>> buffers);

  bool in_order() const override { return false; }
  absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override;
  absl::Status Done(std::size_t selection, std::uint64_t digest) override;

  // Of each selection, once it is done.
  const std::vector<std::uint64_t>& digests() const { return digests_; }

 private:
  BufferReceiver(std::vector<std::int64_t> first_bytes, std::vector<std::span<std::byte>> buffers);

  const std::vector<std::int64_t> first_bytes_;  // of the slice: what stands first in the buffer
  const std::vector<std::span<std::byte>> buffers_;
  std::vector<std::uint64_t> digests_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_BUFFER_RECEIVER_H_
