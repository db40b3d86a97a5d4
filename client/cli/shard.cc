#include "client/cli/shard.h"

#include <algorithm>

namespace weightinit::client {

std::optional<std::size_t> CutDim(const Shape& shape, const Shard& shard) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  const std::int64_t dim = shard.dim < 0 ? shard.dim + rank : shard.dim;
  if (dim < 0 || dim >= rank) return std::nullopt;
  return static_cast<std::size_t>(dim);
}

Slice SliceOf(const Shape& shape, const Shard& shard) {
  const std::optional<std::size_t> dim = CutDim(shape, shard);
  if (!dim.has_value()) return {};
  const std::int64_t size = shape[*dim];
  const std::int64_t chunk = size / shard.world_size + (size % shard.world_size > 0 ? 1 : 0);
  // Not rank · chunk, which may overflow: ranks beyond the last element hold nothing.
  const std::int64_t before = chunk == 0 || shard.rank > size / chunk ? size : shard.rank * chunk;
  const std::int64_t start = std::min(before, size);
  const std::int64_t count = std::min(chunk, size - start);
  if (count == size) return {};
  Box box;
  box.dims.resize(shape.size());
  box.dims[*dim] = {.start = start, .size = count, .step = {}};
  return box;
}

bool IsCountedElsewhere(const Shape& shape, const Shard& shard) {
  return shard.rank > 0 && !CutDim(shape, shard).has_value();
}

}  // namespace weightinit::client
