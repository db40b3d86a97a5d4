#include "client/python/src/strided_sink.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weightinit::python {

StridedSink::StridedSink(std::byte* first, Shape shape, std::vector<std::int64_t> byte_strides,
                         DType dtype)
    : first_(first),
      shape_(std::move(shape)),
      strides_(std::move(byte_strides)),
      element_(SizeBytes(dtype)),
      row_(shape_.empty() ? 1 : shape_.back()) {}

std::byte* StridedSink::At(std::int64_t offset) const {
  std::int64_t bytes = 0;
  for (std::size_t d = shape_.size(); d-- > 0;) {
    bytes += offset % shape_[d] * strides_[d];
    offset /= shape_[d];
  }
  return first_ + bytes;
}

std::byte* StridedSink::Destination(std::int64_t offset, std::int64_t count) {
  const bool in_one_piece = strides_.empty() || strides_.back() == element_;
  return in_one_piece && offset % row_ + count <= row_ ? At(offset) : nullptr;
}

void StridedSink::Take(const Piece& piece) {
  const std::byte* from = piece.values.data();
  for (std::int64_t done = 0; done < piece.count;) {
    const std::int64_t offset = piece.offset + done;
    const std::int64_t count = std::min(piece.count - done, row_ - offset % row_);
    std::byte* to = At(offset);
    if (to == from) return;  // drawn in place
    const std::int64_t stride = strides_.empty() ? element_ : strides_.back();
    for (std::int64_t k = 0; k < count; ++k) {
      std::memcpy(to + k * stride, from + k * element_, static_cast<std::size_t>(element_));
    }
    from += count * element_;
    done += count;
  }
}

}  // namespace weightinit::python
