// Cuts a selection of a tiled tensor into boxes of its draws: index arithmetic only.
#ifndef WEIGHTINIT_LIB_LAYOUT_TILE_CUTTER_H_
#define WEIGHTINIT_LIB_LAYOUT_TILE_CUTTER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/shape.h"

namespace weightinit {

// Elements of one draw, and where they belong in memory that holds what is asked for in its order.
struct DrawBox {
  struct Dim {
    std::int64_t count;
    std::int64_t draw_stride;  // in elements of the draw
    std::int64_t out_stride;   // in elements of the memory
  };
  int draw = Tile::kZeros;
  std::int64_t draw_index = 0;  // of the first element
  std::int64_t out_index = 0;
  // Outermost first; dimensions of one element are left out, and those that follow one another
  // without a gap on both sides are one.
  int rank = 0;
  std::array<Dim, kMaxRank> dims;

  std::span<const Dim> Dims() const { return {dims.data(), static_cast<std::size_t>(rank)}; }
};

// Thread-safety: const member functions may be called from several threads at once.
class TileCutter {
 public:
  // All must outlive this. REQUIRES: the tensor has elements, the selection is bound to it
  TileCutter(const TiledLayout& layout, const Shape& shape, const BoundSelection& selection);

  // Calls visit(box) for boxes that together are elements [first, first + count) of the selection;
  // out_index counts from `first`. Each box is visited once, in no particular order.
  void Cut(std::int64_t first, std::int64_t count,
           const std::function<void(const DrawBox&)>& visit) const;

  // The number of elements, in the selection's order, that should be drawn together: where the
  // draws' rows run across the selection's, enough rows that runs of a draw are long.
  std::int64_t ElementsTogether(std::int64_t least, std::int64_t most) const;

 private:
  // Positions [low, high) per dimension of the selection.
  struct Box {
    std::array<std::int64_t, kMaxRank> low, high;
  };
  void CutBox(const Box& box, std::int64_t out_index,
              const std::function<void(const DrawBox&)>& visit) const;
  void CutSteps(std::int64_t first, std::int64_t count,
                const std::function<void(const DrawBox&)>& visit) const;
  void CutAt(std::span<const std::int64_t> start, std::span<const std::int64_t> step,
             const Box& box, std::int64_t out_index,
             const std::function<void(const DrawBox&)>& visit) const;

  const TiledLayout& layout_;
  const Shape& shape_;
  const std::size_t rank_;
  // Of a box: position p of dimension d is index start + p·step of the tensor.
  std::array<std::int64_t, kMaxRank> start_{}, step_{}, size_{};
  std::int64_t offset_ = 0;                     // added to `first`
  std::int64_t flat_base_ = 0, flat_step_ = 0;  // of a range with steps; 0: a box
  std::vector<std::int64_t> reach_;             // per tile the largest end in dimension 0 up to it
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_LAYOUT_TILE_CUTTER_H_
