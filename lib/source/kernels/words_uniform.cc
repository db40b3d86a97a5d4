// Words, and the uniform distribution.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/words_uniform.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/outputs-inl.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

void Words(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out) {
  ForEachState<Output32<std::uint32_t>>(
      stream, plane, first_index, static_cast<std::int64_t>(out.size()), out.data(),
      []<int n>(const V32(&even)[n], const V32(&odd)[n], V32(&first)[n], V32(&second)[n]) HWY_ATTR {
        for (int i = 0; i < n; ++i) {
          first[i] = even[i];
          second[i] = odd[i];
        }
      });
}

void Uniform(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
             DType dtype, std::byte* out) {
  const VF32 offset = Constant(affine.offset), scale = Constant(affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const auto value = [&](V32 word) HWY_ATTR {
    // n - 2^23 + 1/2 of a 24-bit n in one exact sum.
    const VF32 n = hn::ConvertTo(DF32(), hn::BitCast(DI32(), hn::ShiftRight<8>(word)));
    const VF32 t = hn::Mul(hn::Add(n, Constant(0.5f - 0x1p23f)), Constant(0x1p-23f));
    return hn::Min(hn::Max(hn::Add(offset, hn::Mul(scale, t)), low), high);
  };
  WithOutput(dtype, out, [&]<class Output>(Output, typename Output::Element* to) HWY_ATTR {
    ForEachState<Output>(stream, kValuePlane, first_index, count, to,
                         [&]<int n>(const V32(&even)[n], const V32(&odd)[n], VF32(&first)[n],
                                    VF32(&second)[n]) HWY_ATTR {
                           for (int i = 0; i < n; ++i) {
                             first[i] = value(even[i]);
                             second[i] = value(odd[i]);
                           }
                         });
  });
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
