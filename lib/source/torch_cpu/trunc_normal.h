// torch.nn.init.trunc_normal_(mean, std, a, b).
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_TRUNC_NORMAL_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_TRUNC_NORMAL_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include "lib/base/torch_dialect.h"
#include "lib/source/torch_cpu/generator.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

// Before 2.12: the inverse of the distribution function, a uniform per element.
// ----------------------------------------------------------------------------

// Elements [first, first + count), to `out` of any alignment. Equals builds without MKL, with the
// same libm. REQUIRES: dtype is FLOAT32, FLOAT64 or BFLOAT16 (torch has no float16 erfinv);
// words.position() ≤ first·WordsPerElement(dtype)
void DrawTruncNormalByInverse(FillWords& words, const Dialect& dialect, const TruncNormalFill& fill,
                              DType dtype, std::int64_t first, std::int64_t count, std::byte* out);

// Since 2.12: normal fills of the whole tensor, until every element has been within the bounds.
// ---------------------------------------------------------------------------------------------

// The whole tensor of n elements. `cancelled` is asked before each round; true ends it, and the
// generator and the values are unspecified. REQUIRES: RejectsNormals(fill); IsFilled(dtype)
// Returns false if cancelled. May throw bad_alloc: a second tensor is needed.
bool DrawTruncNormalByRejection(Generator& generator, const Dialect& dialect,
                                const TruncNormalFill& fill, DType dtype, std::int64_t n,
                                std::byte* out, const std::function<bool()>& cancelled = {});

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_TRUNC_NORMAL_H_
