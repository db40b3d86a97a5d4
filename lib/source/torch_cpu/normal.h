// Tensor.normal_(mean, std): blocks of 16 for contiguous tensors of 16 elements or more, else one
// value after the other.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_NORMAL_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_NORMAL_H_

#include <cstddef>
#include <cstdint>

#include "lib/base/torch_dialect.h"
#include "lib/source/torch_cpu/generator.h"
#include "weightinit/dtype.h"

namespace weightinit::torch_cpu {

struct NormalFill {
  double mean = 0, std = 1;
};

// Words behind a fill in blocks. REQUIRES: IsFilledInBlocks(n)
std::uint64_t BlockNormalWords(const Dialect& dialect, DType dtype, std::int64_t n);

// Elements [first, first + count) of a fill of n in blocks, to `out` of any alignment.
// REQUIRES: IsFilled(dtype), IsFilledInBlocks(n); words.position() is at most the first word that
// is needed: that of element first rounded down to a block
void DrawBlockNormal(FillWords& words, const Dialect& dialect, const NormalFill& fill, DType dtype,
                     std::int64_t n, std::int64_t first, std::int64_t count, std::byte* out);

// The next `count` elements of the serial path, which takes and leaves the generator's kept value.
// REQUIRES: IsFilled(dtype)
void DrawSerialNormal(Generator& generator, const Dialect& dialect, const NormalFill& fill,
                      DType dtype, std::int64_t count, std::byte* out);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_NORMAL_H_
