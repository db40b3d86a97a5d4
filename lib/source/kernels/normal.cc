// The normal distribution: Box-Muller on pairs of words.
#include <algorithm>

#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/normal.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/outputs-inl.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// Box-Muller on n pairs of vectors; reference.h has the same steps with their reasons. Maximum
// error: max(6 ulp, 2^-22).
template <int n>
HWY_INLINE void NormalPairs(const V32 (&w0)[n], const V32 (&w1)[n], Several<n>& first,
                            Several<n>& second) {
  const D32 d32;
  const DF32 df;
  Several<n> u, radius, phi, square, sine, cosine;
  V32 turned[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    // (m + 1/2) 2^-8 of a byte m: written as the mantissa of a number in [1, 2), which is then
    // moved, exactly.
    const V32 low_bits = hn::Or(hn::And(hn::ShiftLeft<15>(w1[i]), hn::Set(d32, 0x007F8000)),
                                hn::Set(d32, 0x3F800000));
    const VF32 low = hn::Sub(hn::BitCast(df, low_bits), Constant(1.0f - 0x1p-9f));
    // U is kept times 2^32.
    u[i] = hn::Min(hn::Add(FromUnsigned(w0[i]), low), Constant(0x1p32f - 0x1p8f));
    // phi = (k mod 2^22 + 1/2) 2^-22 - 1/2 in the turned word, whose quadrant is in the two high
    // bits: the same way.
    turned[i] = hn::Add(w1[i], hn::Set(d32, 0x20000000));
    const V32 phi_bits = hn::Or(hn::And(hn::ShiftRight<7>(turned[i]), hn::Set(d32, 0x007FFFFE)),
                                hn::Set(d32, 0x3F800001));
    phi[i] = hn::Sub(hn::BitCast(df, phi_bits), Constant(1.5f));
    square[i] = hn::Mul(phi[i], phi[i]);
  }
  SqrtMinusTwoLog<32, n>(u, radius);
  Horner<n>(kSine, square, sine);
  Horner<n>(kCosine, square, cosine);

  const V32 sign = hn::Set(d32, 0x80000000);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    sine[i] = hn::Mul(phi[i], sine[i]);
    const V32 twice = hn::Add(turned[i], turned[i]);
    const VF32 odd = hn::BitCast(df, twice);
    const VF32 magnitude1 = hn::Mul(radius[i], hn::IfNegativeThenElse(odd, sine[i], cosine[i]));
    const VF32 magnitude2 = hn::Mul(radius[i], hn::IfNegativeThenElse(odd, cosine[i], sine[i]));
    first[i] = hn::Xor(magnitude1, hn::BitCast(df, hn::And(hn::Xor(turned[i], twice), sign)));
    second[i] = hn::Xor(magnitude2, hn::BitCast(df, hn::And(turned[i], sign)));
  }
}

void Normal(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
            DType dtype, std::byte* out) {
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  WithOutput(dtype, out, [&]<class Output>(Output, typename Output::Element* to) HWY_ATTR {
    ForEachState<Output, 6>(stream, kValuePlane, first_index, count, to,
                            [&]<int n>(const V32(&even)[n], const V32(&odd)[n], Several<n>& first,
                                       Several<n>& second) HWY_ATTR {
                              NormalPairs<n>(even, odd, first, second);
                              for (int i = 0; i < n; ++i) {
                                first[i] = hn::Add(offset, hn::Mul(scale, first[i]));
                                second[i] = hn::Add(offset, hn::Mul(scale, second[i]));
                              }
                            });
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
    V32 even[1], odd[1];
    Several<1> first, second;
    hn::LoadInterleaved2(d32, in, even[0], odd[0]);
    NormalPairs<1>(even, odd, first, second);
    hn::StoreInterleaved2(first[0], second[0], df, z);
    std::copy_n(z, part, out + i);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
