// Boxes of a draw, drawn into memory where their elements lie apart.
#ifndef WEIGHTINIT_LIB_SOURCE_DRAW_BOX_H_
#define WEIGHTINIT_LIB_SOURCE_DRAW_BOX_H_

#include <cstddef>

#include "lib/layout/tile_cutter.h"
#include "lib/source/source.h"
#include "weightinit/dtype.h"

namespace weightinit {

// Draws the box into `out`, which begins at out_index 0. Runs along the dimension that costs least:
// consecutive elements of the draw where there are enough of them. A null source: +0.
void FillBox(const Source* source, const DrawBox& box, DType dtype, std::byte* out);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_DRAW_BOX_H_
