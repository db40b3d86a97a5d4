#include <cstring>
#include <limits>

#include "weightinit/sink.h"

namespace weightinit {

CompareSink::CompareSink(std::span<const std::byte> expected, DType dtype)
    : expected_(expected),
      element_bytes_(SizeBytes(dtype)),
      first_difference_(std::numeric_limits<std::int64_t>::max()) {}

void CompareSink::Take(const Piece& piece) {
  const std::byte* const expected = expected_.data() + piece.offset * element_bytes_;
  if (std::memcmp(expected, piece.values.data(), piece.values.size()) == 0) return;
  const auto size = static_cast<std::size_t>(element_bytes_);
  std::int64_t differing = 0;
  std::int64_t first = 0;
  for (std::int64_t k = piece.count; k-- > 0;) {
    const std::size_t at = static_cast<std::size_t>(k) * size;
    if (std::memcmp(expected + at, piece.values.data() + at, size) == 0) continue;
    ++differing;
    first = piece.offset + k;
  }
  differing_ += differing;
  for (std::int64_t known = first_difference_;
       first < known && !first_difference_.compare_exchange_weak(known, first);) {
  }
}

}  // namespace weightinit
