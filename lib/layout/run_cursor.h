// Cuts a selection into runs of elements at equal distances: index arithmetic only.
#ifndef WEIGHTINIT_LIB_LAYOUT_RUN_CURSOR_H_
#define WEIGHTINIT_LIB_LAYOUT_RUN_CURSOR_H_

#include <cstdint>
#include <vector>

#include "weightinit/selection.h"

namespace weightinit {

// Elements index, index + stride, … of a tensor.
struct Run {
  std::int64_t index = 0;
  std::int64_t stride = 1;
  std::int64_t count = 0;
};

// Walks elements [first, first + count) of a selection in row-major order. The runs are as long as
// the geometry allows: dimensions that follow one another without a gap are one.
class RunCursor {
 public:
  // REQUIRES: 0 ≤ first, 0 ≤ count, first + count ≤ number of elements of selection.shape
  RunCursor(const BoundSelection& selection, std::int64_t first, std::int64_t count);

  // False at the end.
  bool Next(Run& run);

 private:
  struct Dim {
    std::int64_t size, stride, position;
  };
  std::vector<Dim> outer_;  // all but the innermost, outermost first
  Dim inner_{1, 1, 0};
  std::int64_t index_ = 0;  // of the element at the current positions
  std::int64_t left_ = 0;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_LAYOUT_RUN_CURSOR_H_
