// The truncated normal distribution: the inverse of its distribution function, without rejection.
#include <algorithm>

#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/truncated_normal.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/outputs-inl.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// |z| with 1 - Φ(|z|) = q. Valid range, maximum error: reference.h. Which polynomial serves a lane
// depends on that lane alone; a vector wholly in the centre skips the tail.
template <int n>
HWY_INLINE void UpperQuantile(const Several<n>& q, Several<n>& z) {
  const DF32 df;
  Several<n> v, polynomial;
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    v[i] = hn::Sub(hn::Sqrt(hn::Sub(q[i], hn::Mul(q[i], q[i]))), Constant(kCentreShift));
  }
  Horner<n>(kCentre, v, polynomial);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    z[i] = hn::Mul(hn::Sub(Constant(0.5f), q[i]), polynomial[i]);
    const auto in_tail = hn::Lt(q[i], Constant(kTailBelow));
    if (HWY_UNLIKELY(!hn::AllFalse(df, in_tail))) {
      const Several<1> u = {q[i]};
      Several<1> radius, tail;
      SqrtMinusTwoLog<0, 1>(u, radius);
      const Several<1> w = {hn::Sub(radius[0], Constant(kTailShift))};
      Horner<1>(kTail, w, tail);
      z[i] = hn::IfThenElse(in_tail, tail[0], z[i]);
    }
  }
}

// z of vectors of words.
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

  template <int n>
  HWY_INLINE void operator()(const V32 (&words)[n], Several<n>& z) const {
    const DF32 df;
    Several<n> q;
    V32 sign[n];
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      const auto is_upper = hn::Gt(words[i], last_lower_);
      const V32 u = hn::Xor(words[i], hn::IfThenElse(is_upper, flip_upper_, flip_lower_));
      const VF32 base = hn::IfThenElse(hn::RebindMask(df, is_upper), base_upper_, base_lower_);
      q[i] = hn::Add(base, hn::Mul(hn::Add(FromUnsigned(u), Constant(0.5f)), probability_));
      sign[i] = hn::IfThenElse(is_upper, sign_upper_, sign_lower_);
    }
    UpperQuantile<n>(q, z);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      z[i] = hn::Min(hn::Max(hn::Xor(z[i], hn::BitCast(df, sign[i])), a_), b_);
    }
  }

 private:
  VF32 a_, b_, probability_, base_lower_, base_upper_;
  V32 last_lower_, flip_lower_, flip_upper_, sign_lower_, sign_upper_;
};

void TruncatedNormal(Stream stream, const TruncatedNormalParams& params, const Affine32& affine,
                     std::uint64_t first_index, std::int64_t count, DType dtype, std::byte* out) {
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const TruncatedZ truncated_z(params);
  WithOutput(dtype, out, [&]<class Output>(Output, typename Output::Element* to) HWY_ATTR {
    ForEachState<Output, 4>(stream, kValuePlane, first_index, count, to,
                            [&]<int n>(const V32(&even)[n], const V32(&odd)[n], Several<n>& first,
                                       Several<n>& second) HWY_ATTR {
                              V32 words[2 * n];
                              Several<2 * n> z;
                              for (int i = 0; i < n; ++i) {
                                words[i] = even[i];
                                words[n + i] = odd[i];
                              }
                              truncated_z(words, z);
                              for (int i = 0; i < 2 * n; ++i) {
                                const VF32 x = hn::Add(offset, hn::Mul(scale, z[i]));
                                (i < n ? first[i] : second[i - n]) = hn::Min(hn::Max(x, low), high);
                              }
                            });
  });
}

void TruncatedNormalOfWords(const TruncatedNormalParams& params, const std::uint32_t* words,
                            std::int64_t count, float* out) {
  const D32 d32;
  const DF32 df;
  const TruncatedZ truncated_z(params);
  const std::size_t lanes = hn::Lanes(d32);
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < n; i += lanes) {
    std::uint32_t in[hn::MaxLanes(d32)] = {};
    float values[hn::MaxLanes(df)];
    const std::size_t part = std::min(lanes, n - i);
    std::copy_n(words + i, part, in);
    const V32 vector[1] = {hn::LoadU(d32, in)};
    Several<1> z;
    truncated_z(vector, z);
    hn::StoreU(z[0], df, values);
    std::copy_n(values, part, out + i);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
