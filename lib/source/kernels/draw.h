// From a kernel that writes dtypes of up to 32 bits to aligned memory to one that writes any
// floating dtype anywhere. Internal to this folder.
#ifndef WEIGHTINIT_SOURCE_KERNELS_DRAW_H_
#define WEIGHTINIT_SOURCE_KERNELS_DRAW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "weightinit/dtype.h"

namespace weightinit::kernels {

// offset + scale·value, each operation rounded, clamped to [low, high].
struct Affine32 {
  float offset, scale, low, high;
};
struct Affine64 {
  double offset, scale, low, high;
};

// The numbers t and z themselves: neither is -0, so that 0 + 1·t keeps every bit.
inline constexpr float kInfinityF32 = std::numeric_limits<float>::infinity();
inline constexpr double kInfinityF64 = std::numeric_limits<double>::infinity();
inline constexpr Affine32 kIdentity{
    .offset = 0, .scale = 1, .low = -kInfinityF32, .high = kInfinityF32};

// 8 KiB of binary32 and 16 KiB of binary64 leave room in any first-level cache; a multiple of every
// kernel's batch, so that only the first run of a call starts off a batch's beginning.
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

// Runs draw(affine, first_index, count, dtype, std::byte* aligned), which writes offset +
// scale·value, for a dtype of up to 32 bits. FLOAT64 is made of the value itself.
template <class Target, class DrawNarrow>
void Draw(const Affine32& narrow, const Affine64& wide, std::uint64_t first_index,
          std::int64_t count, DType dtype, std::byte* out, const DrawNarrow& draw) {
  const std::size_t width = WidthOf(dtype);
  if (dtype != DType::kFloat64 && IsAligned(out, width)) {
    draw(narrow, first_index, count, dtype, out);
    return;
  }
  alignas(64) float values[kRun];
  alignas(64) double results[kRun];
  auto* const value_bytes = reinterpret_cast<std::byte*>(values);
  while (count > 0) {
    // Later runs start at a multiple of kRun.
    const auto run = std::min(count, kRun - static_cast<std::int64_t>(first_index % kRun));
    const std::size_t bytes = static_cast<std::size_t>(run) * width;
    if (dtype == DType::kFloat64) {
      draw(kIdentity, first_index, run, DType::kFloat32, value_bytes);
      Target::affine64(wide, values, run, results);
      std::memcpy(out, results, bytes);
    } else {
      draw(narrow, first_index, run, dtype, value_bytes);
      std::memcpy(out, values, bytes);
    }
    first_index += static_cast<std::uint64_t>(run);
    out += bytes;
    count -= run;
  }
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_DRAW_H_
