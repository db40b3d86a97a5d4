// Per target: functions of binary32 that replays share; scalar_math.h has the steps. Included once
// per target by the .cc files, after hwy/foreach_target.h.
#if defined(WEIGHTINIT_SOURCE_TORCH_CPU_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHTINIT_SOURCE_TORCH_CPU_VECTOR_MATH_INL_H_
#undef WEIGHTINIT_SOURCE_TORCH_CPU_VECTOR_MATH_INL_H_
#else
#define WEIGHTINIT_SOURCE_TORCH_CPU_VECTOR_MATH_INL_H_
#endif

#include <cstdint>
#include <iterator>

#include "hwy/highway.h"
#include "lib/source/kernels/vector-inl.h"
#include "lib/source/torch_cpu/polynomials.h"

#if WEIGHTINIT_VECTOR_TARGET

HWY_BEFORE_NAMESPACE();
namespace weightinit::torch_cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::Constant;
using kernels::HWY_NAMESPACE::D32;
using kernels::HWY_NAMESPACE::DF32;
using kernels::HWY_NAMESPACE::DI32;
using kernels::HWY_NAMESPACE::Several;
using kernels::HWY_NAMESPACE::V32;
using kernels::HWY_NAMESPACE::VF32;

HWY_INLINE V32 Bits(std::uint32_t value) { return hn::Set(D32(), value); }

// a·b + c, in one rounding if fused.
#if HWY_NATIVE_FMA
template <bool fused>
HWY_INLINE VF32 Fma(VF32 a, VF32 b, VF32 c) {
  return fused ? hn::MulAdd(a, b, c) : hn::Add(hn::Mul(a, b), c);
}
#else
// exact_fma.h, on vectors of two.
template <class VHalf>
HWY_INLINE VHalf ExactFmaOfHalf(VHalf a, VHalf b, VHalf c) {
  const hn::DFromV<VHalf> half;
  const hn::Rebind<double, decltype(half)> wide;
  const hn::RebindToSigned<decltype(wide)> bits;
  const auto product = hn::Mul(hn::PromoteTo(wide, a), hn::PromoteTo(wide, b));
  const auto addend = hn::PromoteTo(wide, c);
  const auto sum = hn::Add(product, addend);
  const auto part = hn::Sub(sum, product);
  const auto error = hn::Add(hn::Sub(product, hn::Sub(sum, part)), hn::Sub(addend, part));
  const auto sum_bits = hn::BitCast(bits, sum);
  const auto one = hn::Set(bits, 1);
  const auto inexact = hn::VecFromMask(bits, hn::RebindMask(bits, hn::Ne(error, hn::Zero(wide))));
  // +1 if error and sum have one sign, else -1.
  const auto differ = hn::BroadcastSignBit(hn::BitCast(bits, hn::Xor(error, sum)));
  const auto towards = hn::Or(differ, one);
  const auto even = hn::VecFromMask(bits, hn::Eq(hn::And(sum_bits, one), hn::Zero(bits)));
  const auto odd_bits = hn::Add(sum_bits, hn::And(towards, hn::And(inexact, even)));
  return hn::DemoteTo(half, hn::BitCast(wide, odd_bits));
}

template <bool fused>
HWY_INLINE VF32 Fma(VF32 a, VF32 b, VF32 c) {
  if constexpr (!fused) return hn::Add(hn::Mul(a, b), c);
  const DF32 d;
  const hn::Half<DF32> half;
  return hn::Combine(
      d, ExactFmaOfHalf(hn::UpperHalf(half, a), hn::UpperHalf(half, b), hn::UpperHalf(half, c)),
      ExactFmaOfHalf(hn::LowerHalf(half, a), hn::LowerHalf(half, b), hn::LowerHalf(half, c)));
}
#endif

template <bool fused, int n>
HWY_INLINE void Log(const Several<n>& x, Several<n>& result) {
  const D32 d;
  Several<n> m, e, z, y;
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    const V32 offset = hn::Sub(hn::BitCast(d, x[i]), Bits(kLogLowBits));
    const V32 mantissa = hn::Add(hn::And(offset, Bits(0x007FFFFF)), Bits(kLogLowBits));
    m[i] = hn::Sub(hn::BitCast(DF32(), mantissa), Constant(1.0f));
    e[i] = hn::ConvertTo(DF32(), hn::ShiftRight<23>(hn::BitCast(DI32(), offset)));
    z[i] = hn::Mul(m[i], m[i]);
    y[i] = Constant(kLog[0]);
  }
#pragma GCC unroll 16
  for (std::size_t k = 1; k < std::size(kLog); ++k) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) y[i] = Fma<fused>(y[i], m[i], Constant(kLog[k]));
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    y[i] = hn::Mul(y[i], m[i]);
    y[i] = Fma<fused>(y[i], z[i], hn::Mul(e[i], Constant(kLn2Low)));
    y[i] = hn::Sub(y[i], hn::Mul(z[i], Constant(0.5f)));
    result[i] = hn::Add(hn::Add(m[i], y[i]), hn::Mul(e[i], Constant(kLn2High)));
  }
}

}  // namespace weightinit::torch_cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // WEIGHTINIT_VECTOR_TARGET
#endif  // per-target include guard
