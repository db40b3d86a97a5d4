// What a target implements, and how that becomes a table of Kernels.
//
// A target writes dtypes of up to 32 bits to aligned memory; binary64 and memory of any alignment
// are the same for all of them (draw.h). Internal to this folder.
#ifndef WEIGHTINIT_SOURCE_KERNELS_TARGETS_H_
#define WEIGHTINIT_SOURCE_KERNELS_TARGETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/source/kernels/draw.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {

// Target gives: kName;
//   words(Stream, plane, first_index, span<uint32_t>);
//   uniform, normal(Stream, const Affine32&, first_index, count, DType, std::byte* out);
//   truncated_normal(Stream, const TruncatedNormalParams&, const Affine32&, first_index, count,
//   DType, std::byte* out), all for every dtype but FLOAT64 and for aligned `out` only;
//   digest, convert as in kernels.h; affine64(const Affine64&, const float* in, count, double*).
template <class Target>
struct Table {
  static void Uniform(Stream stream, const UniformParams& p, std::uint64_t first_index,
                      std::int64_t count, DType dtype, std::byte* out) {
    Draw<Target>({p.mid_f32, p.half_f32, p.low_f32, p.high_f32}, {p.mid, p.half, p.low, p.high},
                 first_index, count, dtype, out,
                 [&](const Affine32& affine, std::uint64_t first, std::int64_t n, DType as,
                     std::byte* to) { Target::uniform(stream, affine, first, n, as, to); });
  }

  static void Normal(Stream stream, const NormalParams& p, std::uint64_t first_index,
                     std::int64_t count, DType dtype, std::byte* out) {
    Draw<Target>({p.mean_f32, p.std_f32, -kInfinityF32, kInfinityF32},
                 {p.mean, p.std, -kInfinityF64, kInfinityF64}, first_index, count, dtype, out,
                 [&](const Affine32& affine, std::uint64_t first, std::int64_t n, DType as,
                     std::byte* to) { Target::normal(stream, affine, first, n, as, to); });
  }

  static void TruncatedNormal(Stream stream, const TruncatedNormalParams& p,
                              std::uint64_t first_index, std::int64_t count, DType dtype,
                              std::byte* out) {
    Draw<Target>(
        {p.mean_f32, p.std_f32, p.low_f32, p.high_f32}, {p.mean, p.std, p.low, p.high}, first_index,
        count, dtype, out,
        [&](const Affine32& affine, std::uint64_t first, std::int64_t n, DType as, std::byte* to) {
          Target::truncated_normal(stream, p, affine, first, n, as, to);
        });
  }

  static void StandardNormal(Stream stream, std::uint64_t first_index, std::span<float> out) {
    Target::normal(stream, kIdentity, first_index, static_cast<std::int64_t>(out.size()),
                   DType::kFloat32, reinterpret_cast<std::byte*>(out.data()));
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
