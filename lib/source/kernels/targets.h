// What a target implements, and how that becomes a table of Kernels.
//
// A target writes binary32 and converts; everything else (dtypes, runs, binary64) is the same for
// all of them and is here. Internal to this folder.
#ifndef WEIGHTINIT_SOURCE_KERNELS_TARGETS_H_
#define WEIGHTINIT_SOURCE_KERNELS_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "lib/source/kernels/draw.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {

// Binary32: offset + scale·value, each operation rounded, clamped to [low, high].
struct Affine32 {
  float offset, scale, low, high;
};

// The numbers t and z themselves: neither is -0, so that 0 + 1·t keeps every bit.
inline constexpr float kInfinityF32 = std::numeric_limits<float>::infinity();
inline constexpr double kInfinityF64 = std::numeric_limits<double>::infinity();
inline constexpr Affine32 kIdentity{
    .offset = 0, .scale = 1, .low = -kInfinityF32, .high = kInfinityF32};

// Target gives: kName;
//   words(Stream, plane, first_index, span<uint32_t>);
//   uniform, normal(Stream, const Affine32&, first_index, count, float* out);
//   truncated_normal(Stream, const TruncatedNormalParams&, const Affine32&, first_index, count,
//   float* out); digest as in kernels.h; affine64(const Affine64&, const float* in, count, double*
//   out); convert(const float* in, count, DType, std::byte* out).
template <class Target>
struct Table {
  // draw(affine, first_index, count, float*) writes offset + scale·value.
  template <class Draw>
  static void DrawWith(const Affine32& narrow, const Affine64& wide, std::uint64_t first_index,
                       std::int64_t count, DType dtype, std::byte* out, const Draw& draw) {
    DrawAs(
        dtype, first_index, count, out,
        [&](std::uint64_t first, std::int64_t n, float* values) { draw(narrow, first, n, values); },
        [&](std::uint64_t first, std::int64_t n, float* values, double* results) {
          draw(kIdentity, first, n, values);
          Target::affine64(wide, values, n, results);
        },
        Target::convert);
  }

  static void Uniform(Stream stream, const UniformParams& p, std::uint64_t first_index,
                      std::int64_t count, DType dtype, std::byte* out) {
    DrawWith({p.mid_f32, p.half_f32, p.low_f32, p.high_f32}, {p.mid, p.half, p.low, p.high},
             first_index, count, dtype, out,
             [&](const Affine32& affine, std::uint64_t first, std::int64_t n, float* values) {
               Target::uniform(stream, affine, first, n, values);
             });
  }

  static void Normal(Stream stream, const NormalParams& p, std::uint64_t first_index,
                     std::int64_t count, DType dtype, std::byte* out) {
    DrawWith({p.mean_f32, p.std_f32, -kInfinityF32, kInfinityF32},
             {p.mean, p.std, -kInfinityF64, kInfinityF64}, first_index, count, dtype, out,
             [&](const Affine32& affine, std::uint64_t first, std::int64_t n, float* values) {
               Target::normal(stream, affine, first, n, values);
             });
  }

  static void TruncatedNormal(Stream stream, const TruncatedNormalParams& p,
                              std::uint64_t first_index, std::int64_t count, DType dtype,
                              std::byte* out) {
    DrawWith({p.mean_f32, p.std_f32, p.low_f32, p.high_f32}, {p.mean, p.std, p.low, p.high},
             first_index, count, dtype, out,
             [&](const Affine32& affine, std::uint64_t first, std::int64_t n, float* values) {
               Target::truncated_normal(stream, p, affine, first, n, values);
             });
  }

  static void StandardNormal(Stream stream, std::uint64_t first_index, std::span<float> out) {
    Target::normal(stream, kIdentity, first_index, static_cast<std::int64_t>(out.size()),
                   out.data());
  }
};

template <class Target>
inline constexpr Kernels kTable{.target = Target::kName,
                                .words = Target::words,
                                .uniform = Table<Target>::Uniform,
                                .normal = Table<Target>::Normal,
                                .truncated_normal = Table<Target>::TruncatedNormal,
                                .digest = Target::digest,
                                .convert = Target::convert,
                                .normal_of_words = Target::normal_of_words,
                                .truncated_normal_of_words = Target::truncated_normal_of_words,
                                .standard_normal = Table<Target>::StandardNormal};

const Kernels& ScalarKernels();

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_TARGETS_H_
