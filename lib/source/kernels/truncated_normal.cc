// The truncated normal distribution: the inverse of its distribution function, without rejection.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/truncated_normal.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// |z| with 1 - Φ(|z|) = q. Valid range, maximum error: scalar.cc. Which polynomial serves a lane
// depends on that lane alone; a vector wholly in the centre skips the tail.
HWY_INLINE VF32 UpperQuantile(VF32 q) {
  const DF32 df;
  const VF32 r = hn::Sqrt(hn::Sub(q, hn::Mul(q, q)));
  const VF32 centre =
      hn::Mul(hn::Sub(Constant(0.5f), q), Horner(kCentre, hn::Sub(r, Constant(kCentreShift))));
  const auto in_tail = hn::Lt(q, Constant(kTailBelow));
  if (HWY_LIKELY(hn::AllFalse(df, in_tail))) return centre;
  const VF32 tail = Horner(kTail, hn::Sub(SqrtMinusTwoLog<0>(q), Constant(kTailShift)));
  return hn::IfThenElse(in_tail, tail, centre);
}

void TruncatedNormal(Stream stream, const TruncatedNormalParams& params, const Affine32& affine,
                     std::uint64_t first_index, std::int64_t count, float* out) {
  const D32 d32;
  const DF32 df;
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const VF32 a = Constant(params.a_f32), b = Constant(params.b_f32);
  const VF32 probability = Constant(params.probability_scaled);
  const V32 last_lower = hn::Set(d32, params.last_lower);
  const auto base_lower = Constant(params.lower.base), base_upper = Constant(params.upper.base);
  const auto flip_lower = hn::Set(d32, params.lower.flip),
             flip_upper = hn::Set(d32, params.upper.flip);
  const auto sign_lower = hn::BitCast(df, hn::Set(d32, params.lower.sign));
  const auto sign_upper = hn::BitCast(df, hn::Set(d32, params.upper.sign));

  const auto value = [&](V32 word) HWY_ATTR {
    const auto is_upper = hn::Gt(word, last_lower);
    const auto is_upper_f = hn::RebindMask(df, is_upper);
    const V32 u = hn::Xor(word, hn::IfThenElse(is_upper, flip_upper, flip_lower));
    const VF32 product = hn::Mul(hn::Add(FromUnsigned(u), Constant(0.5f)), probability);
    const VF32 q = hn::Add(hn::IfThenElse(is_upper_f, base_upper, base_lower), product);
    const VF32 z = hn::Xor(UpperQuantile(q), hn::IfThenElse(is_upper_f, sign_upper, sign_lower));
    const VF32 clamped = hn::Min(hn::Max(z, a), b);
    return hn::Min(hn::Max(hn::Add(offset, hn::Mul(scale, clamped)), low), high);
  };
  ForEachState(stream, kValuePlane, first_index, count, out,
               [&](V32 even, V32 odd, float* to) HWY_ATTR {
                 hn::StoreU(value(hn::InterleaveLower(d32, even, odd)), df, to);
                 hn::StoreU(value(hn::InterleaveUpper(d32, even, odd)), df, to + hn::Lanes(df));
               });
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
