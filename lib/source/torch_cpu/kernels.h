// Kernels of TORCH_CPU: the generator's words, and float32 values from words, for whole runs.
//
// A kernel knows numbers only. Every target ("scalar", "sse4", "avx2", "avx512", "neon") writes the
// same bytes, fused multiply-adds included: where the processor has none, they are computed
// (exact_fma.h). docs/torch-cpu.md has the formulas.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_KERNELS_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/base/torch_dialect.h"
#include "lib/base/torch_state.h"

namespace weightinit::torch_cpu {

// MT19937 keeps 624 words; a vector that begins among the last 227 of them reads on past the end,
// where the kernels keep a copy of the first ones.
inline constexpr std::size_t kPaddedStateWords = kStateWords + 16;

// offset + scale·value.
struct Affine {
  float offset = 0, scale = 1;
};

struct Kernels {
  std::string_view target;

  // Replaces the state by the 624 that follow it.
  void (*refill)(std::uint32_t* padded_state);

  // What the generator gives out for words of its state. REQUIRES: neither overlaps the other
  void (*temper)(const std::uint32_t* state, std::size_t count, std::uint32_t* out);

  // offset + scale·(word mod 2^digits)·2^-digits. REQUIRES: 1 ≤ digits ≤ 24
  void (*uniform)(const std::uint32_t* words, std::size_t count, int digits, Affine affine,
                  bool fused, float* out);

  // uniform of temper of words of the state, in one pass.
  void (*uniform_of_state)(const std::uint32_t* state, std::size_t count, int digits, Affine affine,
                           bool fused, float* out);

  // torch's AVX2 normals: blocks of 16 words to blocks of 16 values.
  void (*normal)(const std::uint32_t* words, std::size_t blocks, Affine affine, bool fused,
                 float* out);
};

// Every target that is compiled in and that this processor can run, "scalar" first, the best last.
std::span<const Kernels* const> AllKernels();

// Those of the target that kernels::BestKernels() takes.
const Kernels& BestKernels();

const Kernels& ScalarKernels();

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_KERNELS_H_
