#include "lib/base/sha256.h"
#include "lib/source/kernels/kernels.h"
#include "weightinit/sink.h"

namespace weightinit {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / φ

}  // namespace

std::uint64_t DigestOf(const Piece& piece) {
  return kernels::BestKernels().digest(static_cast<std::uint64_t>(piece.index) * kGolden + 1,
                                       static_cast<std::uint64_t>(piece.stride) * kGolden,
                                       piece.values.data(), piece.count,
                                       static_cast<int>(SizeBytes(piece.dtype)));
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
