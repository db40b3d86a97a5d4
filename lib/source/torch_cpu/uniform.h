// Tensor.uniform_(from, to).
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_UNIFORM_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_UNIFORM_H_

#include <cstddef>
#include <cstdint>

#include "lib/base/torch_dialect.h"
#include "lib/source/torch_cpu/generator.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

struct UniformFill {
  double from = 0, to = 1;
};

// Words behind each element, and so behind the fill.
constexpr std::uint64_t WordsPerElement(DType dtype) { return dtype == DType::kFloat64 ? 2 : 1; }

// Elements [first, first + count) of a fill, to `out` of any alignment.
// REQUIRES: IsFilled(dtype); words.position() ≤ first·WordsPerElement(dtype)
void DrawUniform(FillWords& words, const Dialect& dialect, const UniformFill& fill, DType dtype,
                 std::int64_t first, std::int64_t count, std::byte* out);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_UNIFORM_H_
