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

RunningDigest::RunningDigest(const BoundSelection& selection)
    : slice_(selection),
      element_bytes_(static_cast<std::size_t>(SizeBytes(selection.dtype))),
      next_(selection.first) {}

void RunningDigest::Add(std::span<const std::byte> bytes) {
  if (cut_bytes_ > 0) {
    const std::size_t missing = std::min(element_bytes_ - cut_bytes_, bytes.size());
    std::copy_n(bytes.data(), missing, cut_.data() + cut_bytes_);
    cut_bytes_ += missing;
    bytes = bytes.subspan(missing);
    if (cut_bytes_ < element_bytes_) return;
    AddWhole(std::span(cut_).first(element_bytes_));
  }
  cut_bytes_ = bytes.size() % element_bytes_;
  const std::span<const std::byte> whole = bytes.first(bytes.size() - cut_bytes_);
  AddWhole(whole);
  std::copy_n(bytes.data() + whole.size(), cut_bytes_, cut_.data());
}

void RunningDigest::AddWhole(std::span<const std::byte> bytes) {
  digest_ += slice_.Of(next_, bytes);
  next_ += static_cast<std::int64_t>(bytes.size() / element_bytes_);
}

}  // namespace weightinit::client
