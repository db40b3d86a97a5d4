// Layouts: how a tensor is made of draws.
//
// Thread-safety: everything here is a value.
#ifndef WEIGHTINIT_LAYOUT_H_
#define WEIGHTINIT_LAYOUT_H_

#include <cstdint>
#include <variant>
#include <vector>

namespace weightinit {

// One draw, element by element.
struct IdentityLayout {
  int draw = 0;  // index into ModelPlan::draws
};

// A box of a tensor that one draw fills: the element at x, start[d] ≤ x[d] < start[d] + size[d], is
// the draw's element base + Σ_d (x[d] − start[d])·stride[d].
struct Tile {
  struct Dim {
    std::int64_t start = 0, size = 0;
    std::int64_t stride = 0;  // in elements of the draw, ≥ 0
    friend bool operator==(const Dim&, const Dim&) = default;
  };
  static constexpr int kZeros = -1;
  int draw = kZeros;  // index into ModelPlan::draws; kZeros: all elements are +0
  std::int64_t base = 0;
  std::vector<Dim> dims;  // the tensor's
  friend bool operator==(const Tile&, const Tile&) = default;
};

// What a view came to: disjoint tiles that cover the tensor, ascending by the start in dimension 0.
struct TiledLayout {
  std::vector<Tile> tiles;
};

using Layout = std::variant<IdentityLayout, TiledLayout>;

}  // namespace weightinit

#endif  // WEIGHTINIT_LAYOUT_H_
