// The normal distribution: Box-Muller on pairs of words.
#include <algorithm>

#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/normal.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// Box-Muller; scalar.cc has the same steps with their reasons. Maximum error: max(6 ulp, 2^-22).
HWY_INLINE void NormalPair(V32 w0, V32 w1, VF32& first, VF32& second) {
  const D32 d32;
  const DF32 df;
  // (n + 1/2) 2^-8 of a byte n: written as the mantissa of a number in [1, 2), which is then moved,
  // exactly.
  const V32 low_bits =
      hn::Or(hn::And(hn::ShiftLeft<15>(w1), hn::Set(d32, 0x007F8000)), hn::Set(d32, 0x3F800000));
  const VF32 low = hn::Sub(hn::BitCast(df, low_bits), Constant(1.0f - 0x1p-9f));
  // U is kept times 2^32.
  const VF32 u = hn::Min(hn::Add(FromUnsigned(w0), low), Constant(0x1p32f - 0x1p8f));
  const VF32 radius = SqrtMinusTwoLog<32>(u);

  // phi = (k mod 2^22 + 1/2) 2^-22 - 1/2 in the turned word, whose quadrant is in the two high
  // bits: the same way.
  const V32 turned = hn::Add(w1, hn::Set(d32, 0x20000000));
  const V32 phi_bits = hn::Or(hn::And(hn::ShiftRight<7>(turned), hn::Set(d32, 0x007FFFFE)),
                              hn::Set(d32, 0x3F800001));
  const VF32 phi = hn::Sub(hn::BitCast(df, phi_bits), Constant(1.5f));
  const VF32 square = hn::Mul(phi, phi);
  const VF32 sine = hn::Mul(phi, Horner(kSine, square));
  const VF32 cosine = Horner(kCosine, square);

  const V32 sign = hn::Set(d32, 0x80000000);
  const V32 twice = hn::Add(turned, turned);
  const VF32 odd = hn::BitCast(df, twice);
  const VF32 magnitude1 = hn::Mul(radius, hn::IfNegativeThenElse(odd, sine, cosine));
  const VF32 magnitude2 = hn::Mul(radius, hn::IfNegativeThenElse(odd, cosine, sine));
  first = hn::Xor(magnitude1, hn::BitCast(df, hn::And(hn::Xor(turned, twice), sign)));
  second = hn::Xor(magnitude2, hn::BitCast(df, hn::And(turned, sign)));
}

void Normal(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
            float* out) {
  const DF32 df;
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  ForEachState(stream, kValuePlane, first_index, count, out,
               [&](V32 even, V32 odd, float* to) HWY_ATTR {
                 VF32 first, second;
                 NormalPair(even, odd, first, second);
                 first = hn::Add(offset, hn::Mul(scale, first));
                 second = hn::Add(offset, hn::Mul(scale, second));
                 hn::StoreU(hn::InterleaveLower(df, first, second), df, to);
                 hn::StoreU(hn::InterleaveUpper(df, first, second), df, to + hn::Lanes(df));
               });
}

void NormalOfWords(const std::uint32_t* words, std::int64_t count, float* out) {
  const D32 d32;
  const DF32 df;
  const std::size_t two = 2 * hn::Lanes(d32);
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < n; i += two) {
    std::uint32_t in[2 * hn::MaxLanes(d32)] = {};
    float z[2 * hn::MaxLanes(df)];
    const std::size_t part = std::min(two, n - i);
    std::copy_n(words + i, part, in);
    V32 even, odd;
    VF32 first, second;
    hn::LoadInterleaved2(d32, in, even, odd);
    NormalPair(even, odd, first, second);
    hn::StoreInterleaved2(first, second, df, z);
    std::copy_n(z, part, out + i);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
