// From a kernel that writes binary32 to one that writes any floating dtype: runs that stay in the
// first-level cache.
#ifndef WEIGHTINIT_SOURCE_KERNELS_DRAW_H_
#define WEIGHTINIT_SOURCE_KERNELS_DRAW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "weightinit/dtype.h"

namespace weightinit::kernels {

// Binary64: offset + scale·value, each operation rounded, clamped to [low, high].
struct Affine64 {
  double offset, scale, low, high;
};

// 8 KiB of binary32 and as much of the result leave room in any first-level cache; a multiple of
// every kernel's batch, so that only the first run of a call starts off a batch's beginning.
inline constexpr std::int64_t kRun = 2048;

constexpr std::size_t WidthOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return 8;
    case DType::kFloat32:
      return 4;
    case DType::kBFloat16:
    case DType::kFloat16:
      return 2;
    default:
      return 1;
  }
}

inline bool IsAligned(const std::byte* pointer, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

// Calls draw(first_index, count, float*) for the values; for FLOAT64 draw64(first_index, count,
// double*). convert(const float*, count, dtype, std::byte*) writes to any alignment.
template <class Draw, class Draw64, class Convert>
void DrawAs(DType dtype, std::uint64_t first_index, std::int64_t count, std::byte* out,
            const Draw& draw, const Draw64& draw64, const Convert& convert) {
  if (dtype == DType::kFloat32 && IsAligned(out, alignof(float))) {
    draw(first_index, count, reinterpret_cast<float*>(out));
    return;
  }
  alignas(64) float values[kRun];
  alignas(64) double wide[kRun];
  const std::size_t width = WidthOf(dtype);
  while (count > 0) {
    // Later runs start at a multiple of kRun.
    const auto run = std::min(count, kRun - static_cast<std::int64_t>(first_index % kRun));
    if (dtype == DType::kFloat64) {
      draw64(first_index, run, values, wide);
      std::memcpy(out, wide, static_cast<std::size_t>(run) * sizeof(double));
    } else {
      draw(first_index, run, values);
      convert(values, run, dtype, out);
    }
    first_index += static_cast<std::uint64_t>(run);
    out += static_cast<std::size_t>(run) * width;
    count -= run;
  }
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_DRAW_H_
