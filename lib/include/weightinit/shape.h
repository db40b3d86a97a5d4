// Shapes, and the parts of a tensor that can be asked for.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_SHAPE_H_
#define WEIGHTINIT_SHAPE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/dtype.h"
#include "weightinit/export.h"

namespace weightinit {

// Sizes of the dimensions, outermost first, row-major. Rank 0 is a scalar with one element.
using Shape = std::vector<std::int64_t>;

inline constexpr int kMaxRank = 32;

// "[64, 3, 7, 7]"
WEIGHTINIT_EXPORT std::string ToString(std::span<const std::int64_t> shape);

// The product of the dimensions, 0 ≤ product < 2^63.
// Errors: INVALID_ARGUMENT for a negative dimension, more than kMaxRank dimensions, or an element
// or byte count that reaches 2^63 (also when another dimension is 0: such a shape is a mistake).
WEIGHTINIT_EXPORT absl::StatusOr<std::int64_t> NumElements(std::span<const std::int64_t> shape,
                                                           DType dtype, std::string_view field);

// `size` elements start, start + step, start + 2·step …
struct Range {
  std::int64_t start = 0;            // ≥ 0
  std::optional<std::int64_t> size;  // ≥ 0; default: all that are left
  std::optional<std::int64_t> step;  // ≥ 1; default 1

  friend bool operator==(const Range&, const Range&) = default;
};

// One range per dimension. The result has the same rank.
struct Box {
  std::vector<Range> dims;

  friend bool operator==(const Box&, const Box&) = default;
};

// What part of a tensor: all of it, an N-D box, or a range of its row-major order (the result has
// rank 1).
using Slice = std::variant<std::monostate, Box, Range>;

// NumPy's notation without the brackets: "0:128,::2" (start:stop:step per dimension; negative start
// and stop count from the end; a single number keeps the dimension with size 1; missing trailing
// dimensions are taken whole; "..." stands for any number of whole dimensions), or "flat:100:200:2"
// for a range of the row-major order. Bounds outside the shape are an error, not clipped.
WEIGHTINIT_EXPORT absl::StatusOr<Slice> ParseSlice(std::string_view text,
                                                   std::span<const std::int64_t> shape,
                                                   std::string_view field = "slice");

}  // namespace weightinit

#endif  // WEIGHTINIT_SHAPE_H_
