#include "client/slice_digest.h"

#include <algorithm>

#include "weightinit/sink.h"

namespace weightinit::client {

SliceDigest::SliceDigest(const BoundSelection& selection)
    : dtype_(selection.dtype), base_(selection.base) {
  for (std::size_t d = 0; d < selection.shape.size(); ++d) {
    const Dim dim{selection.shape[d], selection.strides[d]};
    if (dim.size == 1) continue;
    if (!dims_.empty() && dims_.back().stride == dim.size * dim.stride) {
      dims_.back() = {dims_.back().size * dim.size, dim.stride};
    } else {
      dims_.push_back(dim);
    }
  }
  if (dims_.empty()) dims_.push_back({1, 1});
}

std::uint64_t SliceDigest::Of(std::int64_t first, std::span<const std::byte> bytes) const {
  const std::int64_t element = SizeBytes(dtype_);
  std::uint64_t digest = 0;
  while (!bytes.empty()) {
    std::int64_t index = base_, rest = first;
    for (auto dim = dims_.rbegin(); dim != dims_.rend(); ++dim) {
      index += rest % dim->size * dim->stride;
      rest /= dim->size;
    }
    const Dim& run = dims_.back();
    const std::int64_t count =
        std::min(run.size - first % run.size, static_cast<std::int64_t>(bytes.size()) / element);
    const auto num_bytes = static_cast<std::size_t>(count * element);
    digest += DigestOf({.offset = first,
                        .count = count,
                        .index = index,
                        .stride = run.stride,
                        .dtype = dtype_,
                        .values = bytes.first(num_bytes)});
    bytes = bytes.subspan(num_bytes);
    first += count;
  }
  return digest;
}

}  // namespace weightinit::client
