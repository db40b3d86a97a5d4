// Words, and the uniform distribution.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/words_uniform.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

void Words(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out) {
  const D32 d32;
  ForEachState(stream, plane, first_index, static_cast<std::int64_t>(out.size()), out.data(),
               [&]<int n>(const V32(&even)[n], const V32(&odd)[n], std::uint32_t* to) HWY_ATTR {
                 V32 words[2 * n];
                 NaturalOrder(even, odd, words);
                 for (const V32& w : words) {
                   hn::StoreU(w, d32, to);
                   to += hn::Lanes(d32);
                 }
               });
}

void Uniform(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
             float* out) {
  const DF32 df;
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const auto value = [&](V32 word) HWY_ATTR {
    // n - 2^23 + 1/2 of a 24-bit n in one exact sum.
    const VF32 n = hn::ConvertTo(df, hn::BitCast(DI32(), hn::ShiftRight<8>(word)));
    const VF32 t = hn::Mul(hn::Add(n, Constant(0.5f - 0x1p23f)), Constant(0x1p-23f));
    return hn::Min(hn::Max(hn::Add(offset, hn::Mul(scale, t)), low), high);
  };
  ForEachState(stream, kValuePlane, first_index, count, out,
               [&]<int n>(const V32(&even)[n], const V32(&odd)[n], float* to) HWY_ATTR {
                 V32 words[2 * n];
                 NaturalOrder(even, odd, words);
                 for (const V32& w : words) {
                   hn::StoreU(value(w), df, to);
                   to += hn::Lanes(df);
                 }
               });
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
