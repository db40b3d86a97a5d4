#include "lib/layout/tile_cutter.h"

#include <algorithm>

namespace weightinit {
namespace {

// Positions p with start + p·step ≥ bound, from 0 on.
std::int64_t FirstAtLeast(std::int64_t bound, std::int64_t start, std::int64_t step) {
  return bound <= start ? 0 : (bound - start - 1) / step + 1;
}

// Appends a dimension, as part of the one before where there is no gap between them.
void Append(const DrawBox::Dim& dim, DrawBox& box) {
  if (dim.count == 1) return;
  if (box.rank > 0) {
    DrawBox::Dim& outer = box.dims[static_cast<std::size_t>(box.rank - 1)];
    if (outer.draw_stride == dim.count * dim.draw_stride &&
        outer.out_stride == dim.count * dim.out_stride) {
      outer = {outer.count * dim.count, dim.draw_stride, dim.out_stride};
      return;
    }
  }
  box.dims[static_cast<std::size_t>(box.rank++)] = dim;
}

}  // namespace

TileCutter::TileCutter(const TiledLayout& layout, const Shape& shape,
                       const BoundSelection& selection)
    : layout_(layout), shape_(shape), rank_(shape.size()) {
  const bool flat = selection.shape.size() == 1 && rank_ != 1;
  const std::int64_t step = flat ? selection.strides[0] : 1;
  std::int64_t row_stride = 1, rest = selection.base;
  for (std::size_t d = rank_; d-- > 0;) {
    size_[d] = flat ? shape[d] : selection.shape[d];
    step_[d] = flat || size_[d] <= 1 ? 1 : selection.strides[d] / row_stride;
    start_[d] = flat ? 0 : rest % shape[d];
    rest /= shape[d];
    row_stride *= shape[d];
  }
  if (flat && step == 1) offset_ = selection.base;
  if (flat && step != 1) {
    flat_base_ = selection.base;
    flat_step_ = std::max<std::int64_t>(step, 1);
  }
  if (rank_ == 0) return;
  std::int64_t reach = 0;
  reach_.reserve(layout.tiles.size());
  for (const Tile& tile : layout.tiles) {
    reach = std::max(reach, tile.dims[0].start + tile.dims[0].size);
    reach_.push_back(reach);
  }
}

void TileCutter::CutAt(std::span<const std::int64_t> start, std::span<const std::int64_t> step,
                       const Box& box, std::int64_t out_index,
                       const std::function<void(const DrawBox&)>& visit) const {
  std::size_t t = 0;
  std::int64_t last_row = 0;
  if (rank_ > 0) {
    const std::int64_t first_row = start[0] + box.low[0] * step[0];
    last_row = start[0] + (box.high[0] - 1) * step[0];
    t = static_cast<std::size_t>(std::upper_bound(reach_.begin(), reach_.end(), first_row) -
                                 reach_.begin());
  }
  for (; t < layout_.tiles.size(); ++t) {
    const Tile& tile = layout_.tiles[t];
    if (rank_ > 0 && tile.dims[0].start > last_row) return;
    std::array<std::int64_t, kMaxRank> low, high;
    bool empty = false;
    for (std::size_t d = 0; d < rank_ && !empty; ++d) {
      const Tile::Dim& dim = tile.dims[d];
      low[d] = std::max(box.low[d], FirstAtLeast(dim.start, start[d], step[d]));
      high[d] = std::min(box.high[d], FirstAtLeast(dim.start + dim.size, start[d], step[d]));
      empty = low[d] >= high[d];
    }
    if (empty) continue;
    DrawBox found;
    found.draw = tile.draw;
    found.draw_index = tile.base;
    found.out_index = out_index;
    std::array<std::int64_t, kMaxRank> out_stride;
    std::int64_t stride = 1;
    for (std::size_t d = rank_; d-- > 0;) {
      out_stride[d] = stride;
      stride *= box.high[d] - box.low[d];
    }
    for (std::size_t d = 0; d < rank_; ++d) {
      const Tile::Dim& dim = tile.dims[d];
      found.draw_index += (start[d] + low[d] * step[d] - dim.start) * dim.stride;
      found.out_index += (low[d] - box.low[d]) * out_stride[d];
      Append({high[d] - low[d], high[d] - low[d] > 1 ? step[d] * dim.stride : 0, out_stride[d]},
             found);
    }
    visit(found);
  }
}

void TileCutter::CutBox(const Box& box, std::int64_t out_index,
                        const std::function<void(const DrawBox&)>& visit) const {
  CutAt(start_, step_, box, out_index, visit);
}

// A range with steps: in each row of the innermost dimension the steps are a box of one row.
void TileCutter::CutSteps(std::int64_t first, std::int64_t count,
                          const std::function<void(const DrawBox&)>& visit) const {
  const std::int64_t row_size = rank_ == 0 ? 1 : shape_[rank_ - 1];
  std::array<std::int64_t, kMaxRank> start{}, step;
  step.fill(1);
  Box box;
  box.low.fill(0);
  box.high.fill(1);
  for (std::int64_t done = 0; done < count;) {
    std::int64_t rest = flat_base_ + (first + done) * flat_step_;
    for (std::size_t d = rank_; d-- > 0;) {
      start[d] = rest % shape_[d];
      rest /= shape_[d];
    }
    std::int64_t n = 1;
    if (rank_ > 0) {
      n = std::min(count - done, (row_size - 1 - start[rank_ - 1]) / flat_step_ + 1);
      step[rank_ - 1] = flat_step_;
      box.high[rank_ - 1] = n;
    }
    CutAt(start, step, box, done, visit);
    done += n;
  }
}

void TileCutter::Cut(std::int64_t first, std::int64_t count,
                     const std::function<void(const DrawBox&)>& visit) const {
  if (flat_step_ != 0) {
    CutSteps(first, count, visit);
    return;
  }
  for (std::int64_t done = 0; done < count;) {
    // The largest box that begins here and is one piece of the order: whole dimensions from some
    // dimension k on, part of k, one position before.
    std::array<std::int64_t, kMaxRank> position{};
    std::int64_t rest = offset_ + first + done;
    for (std::size_t d = rank_; d-- > 0;) {
      position[d] = rest % size_[d];
      rest /= size_[d];
    }
    Box box;
    for (std::size_t d = 0; d < rank_; ++d) {
      box.low[d] = position[d];
      box.high[d] = position[d] + 1;
    }
    std::int64_t taken = 1;  // elements of one position of dimension k
    for (std::size_t k = rank_; k-- > 0;) {
      const std::int64_t most = (count - done) / taken;
      const std::int64_t n = std::min(most, size_[k] - position[k]);
      box.high[k] = position[k] + n;
      taken *= n;
      // Further out only over whole dimensions.
      if (position[k] != 0 || n != size_[k] || k == 0) break;
      if ((count - done) / taken == 0) break;
    }
    CutBox(box, done, visit);
    done += taken;
  }
}

std::int64_t TileCutter::ElementsTogether(std::int64_t least, std::int64_t most) const {
  // Runs of a draw this long cost little more than their elements.
  constexpr std::int64_t kLongRun = 256;
  // The tiles of a view are of few kinds.
  constexpr std::size_t kMostTiles = 64;
  std::int64_t together = least;
  if (flat_step_ != 0) return together;
  for (std::size_t t = 0; t < std::min(layout_.tiles.size(), kMostTiles); ++t) {
    const Tile& tile = layout_.tiles[t];
    std::size_t along = rank_;  // the dimension that a row of the draw runs along
    for (std::size_t d = 0; d < rank_; ++d) {
      const Tile::Dim& dim = tile.dims[d];
      if (dim.size <= 1 || dim.stride == 0) continue;
      if (along == rank_ || dim.stride <= tile.dims[along].stride) along = d;
    }
    std::int64_t inner = 1;  // elements of the selection between two of that row
    for (std::size_t d = along + 1; d < rank_; ++d) {
      if (__builtin_mul_overflow(inner, size_[d], &inner)) inner = most;
    }
    if (inner <= 1) continue;
    const std::int64_t rows = std::clamp<std::int64_t>(most / inner, 1, kLongRun);
    together = std::max(together, std::min(rows * std::min(inner, most), most));
  }
  return together;
}

}  // namespace weightinit
