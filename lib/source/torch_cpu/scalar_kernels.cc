// The reference: TORCH_CPU's kernels in plain C++, in the order of docs/torch-cpu.md.
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "lib/source/torch_cpu/kernels.h"
#include "lib/source/torch_cpu/polynomials.h"
#include "lib/source/torch_cpu/scalar_math.h"

namespace weightinit::torch_cpu {
namespace {

constexpr std::size_t kMiddle = 397;  // m of the recurrence

std::uint32_t Next(std::uint32_t word, std::uint32_t following, std::uint32_t middle) {
  const std::uint32_t joined = (word & 0x80000000) | (following & 0x7FFFFFFF);
  return middle ^ (joined >> 1) ^ ((following & 1) != 0 ? 0x9908B0DF : 0);
}

void Refill(std::uint32_t* state) {
  constexpr std::size_t kWrap = kStateWords - kMiddle;
  for (std::size_t k = 0; k < kWrap; ++k)
    state[k] = Next(state[k], state[k + 1], state[k + kMiddle]);
  for (std::size_t k = kWrap; k + 1 < kStateWords; ++k)
    state[k] = Next(state[k], state[k + 1], state[k - kWrap]);
  state[kStateWords - 1] = Next(state[kStateWords - 1], state[0], state[kMiddle - 1]);
}

std::uint32_t Tempered(std::uint32_t word) {
  word ^= word >> 11;
  word ^= (word << 7) & 0x9D2C5680;
  word ^= (word << 15) & 0xEFC60000;
  return word ^ (word >> 18);
}

void Temper(const std::uint32_t* state, std::size_t count, std::uint32_t* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = Tempered(state[i]);
}

float UnitInterval(std::uint32_t word, int digits) {
  const std::uint32_t mask = (std::uint32_t{1} << digits) - 1;
  const float unit = std::bit_cast<float>(static_cast<std::uint32_t>(127 - digits) << 23);
  return static_cast<float>(static_cast<std::int32_t>(word & mask)) * unit;
}

template <bool tempered, bool fused>
void UniformWith(const std::uint32_t* words, std::size_t count, int digits, Affine affine,
                 float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t word = tempered ? words[i] : Tempered(words[i]);
    out[i] = Fma<fused>(UnitInterval(word, digits), affine.scale, affine.offset);
  }
}

template <bool tempered>
void Uniform(const std::uint32_t* words, std::size_t count, int digits, Affine affine, bool fused,
             float* out) {
  return fused ? UniformWith<tempered, true>(words, count, digits, affine, out)
               : UniformWith<tempered, false>(words, count, digits, affine, out);
}

struct SineCosine {
  float sine, cosine;
};

// Valid range: [0, 2π].
template <bool fused>
SineCosine SinCos(float angle) {
  const std::int32_t octant = (static_cast<std::int32_t>(angle * kFourOverPi) + 1) & ~1;
  const auto y = static_cast<float>(octant);
  float x = angle;
  for (const float part : kQuarter) x = Fma<fused>(y, part, x);
  const float z = x * x;
  float c = kCosine[0];
  for (std::size_t k = 1; k < std::size(kCosine); ++k) c = Fma<fused>(c, z, kCosine[k]);
  c = c * z;
  c = Fma<fused>(c, z, -(0.5f * z));
  c = c + 1.0f;
  float s = kSine[0];
  for (std::size_t k = 1; k < std::size(kSine); ++k) s = Fma<fused>(s, z, kSine[k]);
  s = s * z;
  s = Fma<fused>(s, x, x);
  const bool swap = (octant & 2) != 0;
  const float sine = swap ? c : s, cosine = swap ? s : c;
  return {(octant & 4) != 0 ? -sine : sine, ((octant - 2) & 4) == 0 ? -cosine : cosine};
}

template <bool fused>
void NormalWith(const std::uint32_t* words, std::size_t blocks, Affine affine, float* out) {
  constexpr std::size_t kHalf = kNormalBlock / 2;
  for (; blocks > 0; --blocks, words += kNormalBlock, out += kNormalBlock) {
    for (std::size_t j = 0; j < kHalf; ++j) {
      const float u1 = 1.0f - UnitInterval(words[j], 24);
      const float u2 = UnitInterval(words[j + kHalf], 24);
      const float radius = std::sqrt(-2.0f * Log<fused>(u1));
      const SineCosine turned = SinCos<fused>(kTwoPi * u2);
      // torch writes these two as fused multiply-adds: they are fused in both dialects.
      out[j] = ExactFma(radius * turned.cosine, affine.scale, affine.offset);
      out[j + kHalf] = ExactFma(radius * turned.sine, affine.scale, affine.offset);
    }
  }
}

void Normal(const std::uint32_t* words, std::size_t blocks, Affine affine, bool fused, float* out) {
  return fused ? NormalWith<true>(words, blocks, affine, out)
               : NormalWith<false>(words, blocks, affine, out);
}

constexpr Kernels kScalar{.target = "scalar",
                          .refill = Refill,
                          .temper = Temper,
                          .uniform = Uniform<true>,
                          .uniform_of_state = Uniform<false>,
                          .normal = Normal};

}  // namespace

const Kernels& ScalarKernels() { return kScalar; }

}  // namespace weightinit::torch_cpu
