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
               [&](V32 even, V32 odd, std::uint32_t* to) HWY_ATTR {
                 hn::StoreU(hn::InterleaveLower(d32, even, odd), d32, to);
                 hn::StoreU(hn::InterleaveUpper(d32, even, odd), d32, to + hn::Lanes(d32));
               });
}

void Uniform(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
             float* out) {
  const D32 d32;
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
               [&](V32 even, V32 odd, float* to) HWY_ATTR {
                 hn::StoreU(value(hn::InterleaveLower(d32, even, odd)), df, to);
                 hn::StoreU(value(hn::InterleaveUpper(d32, even, odd)), df, to + hn::Lanes(df));
               });
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
