#include <cstring>

#include "weightinit/sink.h"

namespace weightinit {

std::byte* Sink::Destination(std::int64_t, std::int64_t) { return nullptr; }

BytesSink::BytesSink(std::span<std::byte> out, DType dtype)
    : out_(out), element_bytes_(SizeBytes(dtype)) {}

std::byte* BytesSink::Destination(std::int64_t offset, std::int64_t) {
  return out_.data() + offset * element_bytes_;
}

void BytesSink::Take(const Piece& piece) {
  std::byte* const place = out_.data() + piece.offset * element_bytes_;
  if (piece.values.data() != place) std::memcpy(place, piece.values.data(), piece.values.size());
}

}  // namespace weightinit
