#include "client/buffer_receiver.h"

#include <algorithm>
#include <string>
#include <utility>

#include "weightinit/dtype.h"

namespace weightinit::client {

absl::StatusOr<std::unique_ptr<BufferReceiver>> BufferReceiver::Create(
    std::span<const BoundSelection> selections, std::vector<std::span<std::byte>> buffers) {
  if (buffers.size() != selections.size()) {
    return absl::InvalidArgumentError(std::to_string(buffers.size()) + " buffers for " +
                                      std::to_string(selections.size()) + " selections");
  }
  std::vector<std::int64_t> first_bytes;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const BoundSelection& selection = selections[i];
    if (buffers[i].size() != static_cast<std::size_t>(selection.num_bytes())) {
      return absl::InvalidArgumentError("buffers[" + std::to_string(i) +
                                        "]: " + std::to_string(buffers[i].size()) + " bytes, not " +
                                        std::to_string(selection.num_bytes()));
    }
    first_bytes.push_back(selection.first * SizeBytes(selection.dtype));
  }
  return std::unique_ptr<BufferReceiver>(
      new BufferReceiver(std::move(first_bytes), std::move(buffers)));
}

BufferReceiver::BufferReceiver(std::vector<std::int64_t> first_bytes,
                               std::vector<std::span<std::byte>> buffers)
    : first_bytes_(std::move(first_bytes)),
      buffers_(std::move(buffers)),
      digests_(buffers_.size()) {}

absl::Status BufferReceiver::Take(std::size_t selection, std::int64_t byte_offset,
                                  std::span<const std::byte> bytes) {
  const auto at = static_cast<std::size_t>(byte_offset - first_bytes_[selection]);
  std::copy_n(bytes.data(), bytes.size(), buffers_[selection].data() + at);
  return absl::OkStatus();
}

absl::Status BufferReceiver::Done(std::size_t selection, std::uint64_t digest) {
  digests_[selection] = digest;
  return absl::OkStatus();
}

}  // namespace weightinit::client
