// The same for every vector target; scalar_kernels.cc has the steps with their reasons.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/torch_cpu/vector_kernels.cc"
#include "hwy/foreach_target.h"
#include "lib/source/torch_cpu/kernels.h"
#include "lib/source/torch_cpu/polynomials.h"
#include "lib/source/torch_cpu/vector_math-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::torch_cpu::HWY_NAMESPACE {

HWY_INLINE V32 Next(V32 word, V32 following, V32 middle) {
  const V32 joined = hn::Or(hn::And(word, Bits(0x80000000)), hn::And(following, Bits(0x7FFFFFFF)));
  const V32 odd = hn::Sub(hn::Zero(D32()), hn::And(following, Bits(1)));
  return hn::Xor3(middle, hn::ShiftRight<1>(joined), hn::And(odd, Bits(0x9908B0DF)));
}

void Refill(std::uint32_t* HWY_RESTRICT state) {
  const D32 d;
  const std::size_t lanes = hn::Lanes(d);
  constexpr std::size_t kMiddle = 397, kWrap = kStateWords - kMiddle, kPadding = 16;
  static_assert(kStateWords % kPadding == 0);  // whole vectors of up to 16 lanes
  const auto step = [&](std::size_t k, std::size_t middle) HWY_ATTR {
    hn::StoreU(
        Next(hn::LoadU(d, state + k), hn::LoadU(d, state + k + 1), hn::LoadU(d, state + middle)), d,
        state + k);
  };
  std::size_t k = 0;
  for (; k + lanes <= kWrap; k += lanes) step(k, k + kMiddle);
  // The vector that crosses the wrap, and the last one, read the first new words behind the end.
  std::memcpy(state + kStateWords, state, kPadding * sizeof *state);
  step(k, k + kMiddle);
  for (k += lanes; k < kStateWords; k += lanes) step(k, k - kWrap);
}

template <class V>
HWY_INLINE V Tempered(V word) {
  const hn::DFromV<V> d;
  word = hn::Xor(word, hn::ShiftRight<11>(word));
  word = hn::Xor(word, hn::And(hn::ShiftLeft<7>(word), hn::Set(d, 0x9D2C5680)));
  word = hn::Xor(word, hn::And(hn::ShiftLeft<15>(word), hn::Set(d, 0xEFC60000)));
  return hn::Xor(word, hn::ShiftRight<18>(word));
}

void Temper(const std::uint32_t* HWY_RESTRICT state, std::size_t count,
            std::uint32_t* HWY_RESTRICT out) {
  const D32 d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Tempered(hn::LoadU(d, state + i)), d, out + i);
  const hn::CappedTag<std::uint32_t, 1> one;
  for (; i < count; ++i) hn::StoreU(Tempered(hn::LoadU(one, state + i)), one, out + i);
}

HWY_INLINE VF32 UnitInterval(V32 word, V32 mask, VF32 unit) {
  return hn::Mul(hn::ConvertTo(DF32(), hn::BitCast(DI32(), hn::And(word, mask))), unit);
}

template <bool tempered, bool fused>
void UniformWith(const std::uint32_t* HWY_RESTRICT words, std::size_t count, int digits,
                 Affine affine, float* HWY_RESTRICT out) {
  const D32 d;
  const DF32 df;
  const std::size_t lanes = hn::Lanes(d);
  const V32 mask = Bits((std::uint32_t{1} << digits) - 1);
  const VF32 unit = hn::BitCast(df, Bits(static_cast<std::uint32_t>(127 - digits) << 23));
  const VF32 scale = Constant(affine.scale), offset = Constant(affine.offset);
  const auto value = [&](const std::uint32_t* from) HWY_ATTR {
    const V32 word = hn::LoadU(d, from);
    return Fma<fused>(UnitInterval(tempered ? word : Tempered(word), mask, unit), scale, offset);
  };
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(value(words + i), df, out + i);
  if (i == count) return;
  std::uint32_t in[hn::MaxLanes(d)] = {};
  float last[hn::MaxLanes(d)];
  std::memcpy(in, words + i, (count - i) * sizeof *words);
  hn::StoreU(value(in), df, last);
  std::memcpy(out + i, last, (count - i) * sizeof *out);
}

template <bool tempered>
void Uniform(const std::uint32_t* words, std::size_t count, int digits, Affine affine, bool fused,
             float* out) {
  return fused ? UniformWith<tempered, true>(words, count, digits, affine, out)
               : UniformWith<tempered, false>(words, count, digits, affine, out);
}

template <bool fused, int n>
HWY_INLINE void SinCos(const Several<n>& angle, Several<n>& sine, Several<n>& cosine) {
  const DF32 df;
  const DI32 di;
  using VI32 = hn::Vec<DI32>;
  VI32 octant[n];
  Several<n> x, z, c, s;
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    const VI32 truncated = hn::ConvertTo(di, hn::Mul(angle[i], Constant(kFourOverPi)));
    octant[i] = hn::AndNot(hn::Set(di, 1), hn::Add(truncated, hn::Set(di, 1)));
    const VF32 y = hn::ConvertTo(df, octant[i]);
    x[i] = angle[i];
    for (const float part : kQuarter) x[i] = Fma<fused>(y, Constant(part), x[i]);
    z[i] = hn::Mul(x[i], x[i]);
    c[i] = Constant(kCosine[0]);
    s[i] = Constant(kSine[0]);
  }
#pragma GCC unroll 16
  for (std::size_t k = 1; k < std::size(kCosine); ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      c[i] = Fma<fused>(c[i], z[i], Constant(kCosine[k]));
      s[i] = Fma<fused>(s[i], z[i], Constant(kSine[k]));
    }
  }
  const V32 sign = Bits(0x80000000);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    c[i] = hn::Mul(c[i], z[i]);
    c[i] = Fma<fused>(c[i], z[i], hn::Neg(hn::Mul(z[i], Constant(0.5f))));
    c[i] = hn::Add(c[i], Constant(1.0f));
    s[i] = hn::Mul(s[i], z[i]);
    s[i] = Fma<fused>(s[i], x[i], x[i]);
    const auto bits = hn::BitCast(D32(), octant[i]);
    // Bit 1 of the octant swaps, bit 2 is the sine's sign, bit 2 of octant + 2 the cosine's.
    const VF32 swap = hn::BitCast(df, hn::ShiftLeft<30>(bits));
    const V32 cosine_bits = hn::Add(bits, Bits(2));
    sine[i] = hn::Xor(hn::IfNegativeThenElse(swap, c[i], s[i]),
                      hn::BitCast(df, hn::And(hn::ShiftLeft<29>(bits), sign)));
    cosine[i] = hn::Xor(hn::IfNegativeThenElse(swap, s[i], c[i]),
                        hn::BitCast(df, hn::And(hn::ShiftLeft<29>(cosine_bits), sign)));
  }
}

// n vectors of radii and angles.
template <bool fused, int n>
HWY_INLINE void NormalPairs(const V32 (&radius_words)[n], const V32 (&angle_words)[n], VF32 scale,
                            VF32 offset, Several<n>& first, Several<n>& second) {
  const V32 mask = Bits(0x00FFFFFF);
  const VF32 unit = Constant(0x1p-24f);
  Several<n> u1, angle, log, sine, cosine;
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    u1[i] = hn::Sub(Constant(1.0f), UnitInterval(radius_words[i], mask, unit));
    angle[i] = hn::Mul(Constant(kTwoPi), UnitInterval(angle_words[i], mask, unit));
  }
  Log<fused, n>(u1, log);
  SinCos<fused, n>(angle, sine, cosine);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    const VF32 radius = hn::Sqrt(hn::Mul(Constant(-2.0f), log[i]));
    first[i] = Fma<true>(hn::Mul(radius, cosine[i]), scale, offset);
    second[i] = Fma<true>(hn::Mul(radius, sine[i]), scale, offset);
  }
}

// A block's first half gives radii, its second half angles. Vectors of 16 lanes take two blocks.
template <bool fused>
void NormalWith(const std::uint32_t* HWY_RESTRICT words, std::size_t blocks, Affine affine,
                float* HWY_RESTRICT out) {
  constexpr std::size_t kHalf = kNormalBlock / 2;
  const D32 d;
  const DF32 df;
  const std::size_t lanes = hn::Lanes(d);
  const VF32 scale = Constant(affine.scale), offset = Constant(affine.offset);
  const auto two_blocks = [&](const std::uint32_t* from, float* to) HWY_ATTR {
#if HWY_TARGET == HWY_AVX3
    const V32 block0 = hn::LoadU(d, from), block1 = hn::LoadU(d, from + kNormalBlock);
    const V32 radii[1] = {hn::ConcatLowerLower(d, block1, block0)};
    const V32 angles[1] = {hn::ConcatUpperUpper(d, block1, block0)};
    Several<1> first, second;
    NormalPairs<fused, 1>(radii, angles, scale, offset, first, second);
    hn::StoreU(hn::ConcatLowerLower(df, second[0], first[0]), df, to);
    hn::StoreU(hn::ConcatUpperUpper(df, second[0], first[0]), df, to + kNormalBlock);
#else
    for (std::size_t j = 0; j < kHalf; j += lanes) {
      const V32 radii[2] = {hn::LoadU(d, from + j), hn::LoadU(d, from + kNormalBlock + j)};
      const V32 angles[2] = {hn::LoadU(d, from + kHalf + j),
                             hn::LoadU(d, from + kNormalBlock + kHalf + j)};
      Several<2> first, second;
      NormalPairs<fused, 2>(radii, angles, scale, offset, first, second);
      for (std::size_t b = 0; b < 2; ++b) {
        hn::StoreU(first[b], df, to + b * kNormalBlock + j);
        hn::StoreU(second[b], df, to + b * kNormalBlock + kHalf + j);
      }
    }
#endif
  };
  for (; blocks >= 2; blocks -= 2, words += 2 * kNormalBlock, out += 2 * kNormalBlock)
    two_blocks(words, out);
  if (blocks == 0) return;
  std::uint32_t in[2 * kNormalBlock] = {};
  float last[2 * kNormalBlock];
  std::memcpy(in, words, kNormalBlock * sizeof *words);
  two_blocks(in, last);
  std::memcpy(out, last, kNormalBlock * sizeof *out);
}

void Normal(const std::uint32_t* words, std::size_t blocks, Affine affine, bool fused, float* out) {
  return fused ? NormalWith<true>(words, blocks, affine, out)
               : NormalWith<false>(words, blocks, affine, out);
}

constexpr Kernels kVector{.target = HWY_TARGET == HWY_SSE4   ? "sse4"
                                    : HWY_TARGET == HWY_AVX2 ? "avx2"
                                    : HWY_TARGET == HWY_AVX3 ? "avx512"
                                                             : "neon",
                          .refill = Refill,
                          .temper = Temper,
                          .uniform = Uniform<true>,
                          .uniform_of_state = Uniform<false>,
                          .normal = Normal};

const Kernels& VectorKernels() { return kVector; }

}  // namespace weightinit::torch_cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
#include "lib/source/kernels/available.h"

namespace weightinit::torch_cpu {

std::span<const Kernels* const> AllKernels() {
  static const kernels::Available<Kernels> available = [] {
    kernels::Available<Kernels> tables;
    tables.Add(ScalarKernels());
#if HWY_TARGETS & HWY_NEON
    tables.Add(N_NEON::VectorKernels());
#endif
#if HWY_TARGETS & HWY_SSE4
    tables.Add(N_SSE4::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX2
    tables.Add(N_AVX2::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX3
    tables.Add(N_AVX3::VectorKernels());
#endif
    return tables;
  }();
  return available.All();
}

const Kernels& BestKernels() {
  static const Kernels& best = kernels::LikeBest(AllKernels());
  return best;
}

}  // namespace weightinit::torch_cpu
#endif  // HWY_ONCE
