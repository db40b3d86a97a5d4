// Kernels of PHILOX_V1: pure functions from (seed, subsequence, first index, count) to values.
//
// A kernel knows no name, shape or plan. Every target ("scalar", "sse4", "avx2", "avx512", "neon")
// writes the same bytes; docs/philox-v1.md lists every operation. Example:
//
//   const Kernels& kernels = BestKernels();
//   kernels.normal({.seed = 1, .subsequence = s}, MakeNormalParams(0, 0.02), first_index, count,
//   DType::kBFloat16, out);
//
// Guaranteed: an element depends on its own index alone, never on where a call starts or ends. Any
// count ≥ 0 and any alignment of `out` are valid. Not guaranteed: the words behind one element may
// be drawn more than once, so a call for one element costs as much as one for a vector of them.
//
// REQUIRES: first_index + count ≤ 2^63; the floating-point environment is the default one (to
// nearest, subnormals kept); `dtype` is a floating one; `out` has room for count elements.
//
// Thread-safety: everything here is a pure function or an immutable value; any thread may call
// anything.
#ifndef WEIGHTINIT_SOURCE_KERNELS_KERNELS_H_
#define WEIGHTINIT_SOURCE_KERNELS_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "weightinit/dtype.h"

namespace weightinit::kernels {

// Where the words of a draw come from.
struct Stream {
  std::uint64_t seed = 0;
  std::uint64_t subsequence = 0;
};

// The planes of words that PHILOX_V1 uses: values, and the selection of sparse.
inline constexpr int kValuePlane = 0;
inline constexpr int kSelectionPlane = 2;

// Parameters resolved to numbers: binary64 for FLOAT64, their binary32 roundings for every other
// dtype. No zero is negative. Made by the Make… functions below.
struct UniformParams {
  double low = 0, high = 0;
  double mid = 0, half = 0;  // (low + high) / 2 and (high - low) / 2
  float low_f32 = 0, high_f32 = 0;
  float mid_f32 = 0, half_f32 = 0;
};

struct NormalParams {
  double mean = 0, std = 1;
  float mean_f32 = 0, std_f32 = 1;
};

struct TruncatedNormalParams {
  double mean = 0, std = 1;
  double a = 0, b = 0;  // in sigmas around mean; may be infinite
  bool clamp_absolute = false;
  double low = 0, high = 0;  // ABSOLUTE bounds; infinite without clamp_absolute
  float mean_f32 = 0, std_f32 = 1;
  float a_f32 = 0, b_f32 = 0;
  float low_f32 = 0, high_f32 = 0;

  // Words w ≤ last_lower lie below the median of N(0, 1) and take `lower`, the others `upper`.
  struct Side {
    float base = 0;  // Φ(a) below the median, Φ(-b) above
    std::uint32_t flip =
        0;  // XORed to the word: 0 below, all ones above, so that u counts from the nearer end
    std::uint32_t sign = 0;  // XORed to z
    friend bool operator==(const Side&, const Side&) = default;
  };
  float probability = 1;         // Φ(b) - Φ(a)
  float probability_scaled = 1;  // probability · 2^-32
  std::uint32_t last_lower = 0;
  Side lower, upper;
};

// REQUIRES: low ≤ high, both finite in binary32.
UniformParams MakeUniformParams(double low, double high);

// REQUIRES: |mean| + 8 std is finite in binary32.
NormalParams MakeNormalParams(double mean, double std);

// Bounds in sigmas around mean. REQUIRES: a ≤ b, a ≤ 8, b ≥ -8.
TruncatedNormalParams MakeTruncatedNormalParams(double mean, double std, double a, double b);

// Also clamps the values to [low, high]. REQUIRES: in addition, low ≤ high.
TruncatedNormalParams MakeTruncatedNormalParams(double mean, double std, double a, double b,
                                                double low, double high);

// One table of functions per target.
struct Kernels {
  std::string_view target;

  // The words w_plane(first_index), w_plane(first_index + 1), …
  void (*words)(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out);

  // x = mid + half·t, t in (-1, 1) exact. Maximum error: one product and one sum, each rounded; the
  // result is clamped.
  void (*uniform)(Stream stream, const UniformParams& params, std::uint64_t first_index,
                  std::int64_t count, DType dtype, std::byte* out);

  // x = mean + std·z. Maximum error of z: max(6 ulp, 2^-22).
  void (*normal)(Stream stream, const NormalParams& params, std::uint64_t first_index,
                 std::int64_t count, DType dtype, std::byte* out);

  // x = mean + std·z, a ≤ z ≤ b. Maximum error of z: max(8 ulp, 2^-22). Valid range: every a ≤ 8, b
  // ≥ -8.
  void (*truncated_normal)(Stream stream, const TruncatedNormalParams& params,
                           std::uint64_t first_index, std::int64_t count, DType dtype,
                           std::byte* out);

  // Σ mix(position + k·step + bits of element k) mod 2^64 over `count` elements of `element_bytes`
  // (1, 2, 4 or 8) bytes: the digest of a run whose first element has index i is that of position
  // i·golden + 1 (§5).
  std::uint64_t (*digest)(std::uint64_t position, std::uint64_t step, const std::byte* values,
                          std::int64_t count, int element_bytes);

  // Binary32 to dtype, to nearest even in one rounding. FLOAT8 saturates (infinities too), BFLOAT16
  // and FLOAT16 overflow to infinity, FLOAT64 widens. -0 and subnormals are kept. A NaN stays a
  // NaN.
  void (*convert)(const float* in, std::int64_t count, DType dtype, std::byte* out);

  // The z of given words, for tests: the extremes of a word come up once in 2^32 draws.
  // normal_of_words takes pairs. REQUIRES: count is even.
  void (*normal_of_words)(const std::uint32_t* words, std::int64_t count, float* out);
  void (*truncated_normal_of_words)(const TruncatedNormalParams& params, const std::uint32_t* words,
                                    std::int64_t count, float* out);

  // The z that `normal` scales: normal with mean 0 and std 1 in FLOAT32.
  void (*standard_normal)(Stream stream, std::uint64_t first_index, std::span<float> out);
};

// Every target that is compiled in and that this processor can run, "scalar" first, the best last.
std::span<const Kernels* const> AllKernels();

// The target of that name; null if it is unknown, not compiled in, or this processor cannot run it.
const Kernels* FindKernels(std::string_view target);

// What the environment variable WEIGHTINIT_SIMD asked for, and what came of it.
struct Selection {
  const Kernels* kernels = nullptr;  // never null
  std::string_view requested;        // empty if nothing was
  bool ignored =
      false;  // the requested target is unknown or unsupported, and the best was taken instead
};

// The target `forced`, or the best if it is empty or cannot be had.
Selection SelectKernels(std::string_view forced);

// The same, without the report.
const Kernels& KernelsFor(std::string_view forced);

// SelectKernels of WEIGHTINIT_SIMD, read once, by the first call.
const Selection& SelectionFromEnvironment();
const Kernels& BestKernels();

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_SOURCE_KERNELS_KERNELS_H_
