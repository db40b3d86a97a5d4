// The truncated normal distribution: the inverse of its distribution function, without rejection.
#include <algorithm>

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

// z of one vector of words.
class TruncatedZ {
 public:
  HWY_INLINE explicit TruncatedZ(const TruncatedNormalParams& p)
      : a_(Constant(p.a_f32)),
        b_(Constant(p.b_f32)),
        probability_(Constant(p.probability_scaled)),
        base_lower_(Constant(p.lower.base)),
        base_upper_(Constant(p.upper.base)),
        last_lower_(hn::Set(D32(), p.last_lower)),
        flip_lower_(hn::Set(D32(), p.lower.flip)),
        flip_upper_(hn::Set(D32(), p.upper.flip)),
        sign_lower_(hn::Set(D32(), p.lower.sign)),
        sign_upper_(hn::Set(D32(), p.upper.sign)) {}

  HWY_INLINE VF32 operator()(V32 word) const {
    const DF32 df;
    const auto is_upper = hn::Gt(word, last_lower_);
    const V32 u = hn::Xor(word, hn::IfThenElse(is_upper, flip_upper_, flip_lower_));
    const VF32 base = hn::IfThenElse(hn::RebindMask(df, is_upper), base_upper_, base_lower_);
    const VF32 q = hn::Add(base, hn::Mul(hn::Add(FromUnsigned(u), Constant(0.5f)), probability_));
    const V32 sign = hn::IfThenElse(is_upper, sign_upper_, sign_lower_);
    const VF32 z = hn::Xor(UpperQuantile(q), hn::BitCast(df, sign));
    return hn::Min(hn::Max(z, a_), b_);
  }

 private:
  VF32 a_, b_, probability_, base_lower_, base_upper_;
  V32 last_lower_, flip_lower_, flip_upper_, sign_lower_, sign_upper_;
};

void TruncatedNormal(Stream stream, const TruncatedNormalParams& params, const Affine32& affine,
                     std::uint64_t first_index, std::int64_t count, float* out) {
  const D32 d32;
  const DF32 df;
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const TruncatedZ z(params);
  const auto value = [&](V32 word) HWY_ATTR {
    return hn::Min(hn::Max(hn::Add(offset, hn::Mul(scale, z(word))), low), high);
  };
  ForEachState(stream, kValuePlane, first_index, count, out,
               [&](V32 even, V32 odd, float* to) HWY_ATTR {
                 hn::StoreU(value(hn::InterleaveLower(d32, even, odd)), df, to);
                 hn::StoreU(value(hn::InterleaveUpper(d32, even, odd)), df, to + hn::Lanes(df));
               });
}

void TruncatedNormalOfWords(const TruncatedNormalParams& params, const std::uint32_t* words,
                            std::int64_t count, float* out) {
  const D32 d32;
  const DF32 df;
  const TruncatedZ z(params);
  const std::size_t lanes = hn::Lanes(d32);
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < n; i += lanes) {
    std::uint32_t in[hn::MaxLanes(d32)] = {};
    float values[hn::MaxLanes(df)];
    const std::size_t part = std::min(lanes, n - i);
    std::copy_n(words + i, part, in);
    hn::StoreU(z(hn::LoadU(d32, in)), df, values);
    std::copy_n(values, part, out + i);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
