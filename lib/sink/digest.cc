#include <cstring>

#include "lib/base/sha256.h"
#include "weightinit/sink.h"

namespace weightinit {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / φ

// The splitmix64 finalizer (Steele, Lea & Flood 2014).
constexpr std::uint64_t Mix(std::uint64_t z) {
  z ^= z >> 30;
  z *= 0xBF58476D1CE4E5B9;
  z ^= z >> 27;
  z *= 0x94D049BB133111EB;
  z ^= z >> 31;
  return z;
}

template <typename Bits>
std::uint64_t DigestOfBits(const Piece& piece) {
  std::uint64_t digest = 0;
  std::uint64_t position = static_cast<std::uint64_t>(piece.index) * kGolden + 1;
  const std::uint64_t step = static_cast<std::uint64_t>(piece.stride) * kGolden;
  for (std::size_t k = 0; k < static_cast<std::size_t>(piece.count); ++k) {
    Bits bits;
    std::memcpy(&bits, piece.values.data() + k * sizeof bits, sizeof bits);
    digest += Mix(position + bits);
    position += step;
  }
  return digest;
}

}  // namespace

std::uint64_t DigestOf(const Piece& piece) {
  switch (SizeBytes(piece.dtype)) {
    case 1:
      return DigestOfBits<std::uint8_t>(piece);
    case 2:
      return DigestOfBits<std::uint16_t>(piece);
    case 4:
      return DigestOfBits<std::uint32_t>(piece);
    default:
      return DigestOfBits<std::uint64_t>(piece);
  }
}

std::uint64_t DigestWeight(std::string_view canonical_name, DType dtype,
                           std::span<const std::int64_t> full_shape) {
  std::string identity;
  AppendSized(canonical_name, identity);
  AppendSized(Name(dtype), identity);
  AppendU64(full_shape.size(), identity);
  for (const std::int64_t dim : full_shape) AppendU64(static_cast<std::uint64_t>(dim), identity);
  return TaggedHash64("weightinit-digest-v1", identity) | 1;
}

void DigestSink::Take(const Piece& piece) { digest_ += DigestOf(piece); }

}  // namespace weightinit
