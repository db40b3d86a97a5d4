// Normals of the 16-bit types as torch made them before 2.12: in their own arithmetic.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_NARROW_NORMAL_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_NARROW_NORMAL_H_

#include <cstddef>
#include <cstdint>

#include "lib/base/torch_dialect.h"
#include "lib/source/torch_cpu/normal.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

// Blocks of 16 words to blocks of 16 values. REQUIRES: dtype is BFLOAT16 or FLOAT16
void NarrowBlocks(const std::uint32_t* words, std::size_t blocks, const Dialect& dialect,
                  const NormalFill& fill, DType dtype, float* out);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_NARROW_NORMAL_H_
