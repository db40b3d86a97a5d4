// Which of torch's kernels is replayed, and what plans and sources both know of its fills
// (docs/torch-cpu.md).
#ifndef WEIGHTINIT_LIB_BASE_TORCH_DIALECT_H_
#define WEIGHTINIT_LIB_BASE_TORCH_DIALECT_H_

#include <cstddef>
#include <cstdint>

#include "weightinit/dtype.h"
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

// The dtypes that torch fills with random values.
constexpr bool IsFilled(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat64 || dtype == DType::kBFloat16 ||
         dtype == DType::kFloat16;
}

// Values per block of normals: 8 uniforms for the radii, 8 for the angles.
inline constexpr std::size_t kNormalBlock = 16;

// Whether normal_ fills a contiguous tensor of n elements in blocks.
constexpr bool IsFilledInBlocks(std::int64_t n) {
  return n >= static_cast<std::int64_t>(kNormalBlock);
}

// trunc_normal_(mean, std, a, b): a and b are bounds of the value.
struct TruncNormalFill {
  double mean = 0, std = 1;
  double a = -2, b = 2;
};

// norm_cdf of torch.nn.init.
double NormCdf(double x);

// Whether trunc_normal_ rejects normals, since 2.12; where less of them lies within the bounds it
// draws from a uniform instead, which is not replayed.
bool RejectsNormals(const TruncNormalFill& fill);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_LIB_BASE_TORCH_DIALECT_H_
