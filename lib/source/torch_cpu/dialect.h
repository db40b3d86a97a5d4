// Which of torch's kernels is replayed: builds and versions round differently.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_DIALECT_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_DIALECT_H_

#include "weightinit/generator.h"

namespace weightinit::torch_cpu {

using Variant = TorchCpu::Variant;

struct Dialect {
  Variant variant = Variant::kAvx2;
  TorchVersion version;

  // Whether the compiler made one operation of a product and the sum around it.
  bool fused() const { return variant == Variant::kAvx2 || variant == Variant::kDefaultFma; }
  // Whether float32 normals are those of the vector kernels, which need no libm.
  bool vector_normals() const {
    return variant == Variant::kAvx2 || variant == Variant::kAvx2NoFma;
  }
  // 16-bit fills are computed in float32, trunc_normal_ rejects, the portable kernels fuse.
  bool since_2_12() const { return version >= TorchVersion{2, 12}; }
  // float16 normals are rounded after every operation, as bfloat16's always were.
  bool rounds_each_float16_step() const { return version >= TorchVersion{2, 1}; }
};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_DIALECT_H_
