// Whole fills, which take the generator along: what one call of torch does.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_FILL_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_FILL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/torch_dialect.h"
#include "lib/source/torch_cpu/generator.h"
#include "lib/source/torch_cpu/normal.h"
#include "lib/source/torch_cpu/uniform.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

// n elements to `out` of any alignment. REQUIRES: IsFilled(dtype), n ≥ 0
void FillUniform(Generator& generator, const Dialect& dialect, const UniformFill& fill, DType dtype,
                 std::int64_t n, std::byte* out);
void FillNormal(Generator& generator, const Dialect& dialect, const NormalFill& fill, DType dtype,
                std::int64_t n, std::byte* out);

// torch.randperm. REQUIRES: permutation.size() < 2^32
void RandPerm(Generator& generator, std::span<std::uint32_t> permutation);

// sparse_: which rows of each column become 0, column after column, `zeros` of them each.
// REQUIRES: zeros ≤ rows < 2^32
std::vector<std::uint32_t> SparseZeroRows(Generator& generator, std::int64_t rows,
                                          std::int64_t cols, std::int64_t zeros);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_FILL_H_
