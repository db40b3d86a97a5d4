// Elements that lie apart, from what draws consecutive ones.
#ifndef WEIGHTINIT_LIB_SOURCE_DRAW_APART_H_
#define WEIGHTINIT_LIB_SOURCE_DRAW_APART_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "weightinit/dtype.h"

namespace weightinit {

// Near ones are picked out of a drawn stretch, far ones are drawn one by one. A kernel draws a
// whole vector anyway, so up to this distance a stretch is cheaper.
inline constexpr std::int64_t kNearStride = 32;

// Calls draw(first, count, std::byte* to) for stretches. REQUIRES: stride ≥ 1
template <typename DrawConsecutive>
void DrawApart(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
               std::byte* out, const DrawConsecutive& draw) {
  constexpr std::int64_t kStretchElements = 2048;
  constexpr std::size_t kMaxElementBytes = 8;
  const auto size = static_cast<std::size_t>(SizeBytes(dtype));
  alignas(64) std::array<std::byte, kStretchElements * kMaxElementBytes> stretch;
  const std::int64_t per_stretch = stride > kNearStride ? 1 : (kStretchElements - 1) / stride + 1;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t n = std::min(per_stretch, count - done);
    draw(index + done * stride, (n - 1) * stride + 1, stretch.data());
    for (std::int64_t k = 0; k < n; ++k) {
      std::memcpy(out + static_cast<std::size_t>(done + k) * size,
                  stretch.data() + static_cast<std::size_t>(k * stride) * size, size);
    }
    done += n;
  }
}

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_DRAW_APART_H_
