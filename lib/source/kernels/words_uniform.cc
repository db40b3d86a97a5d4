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
  ForEachState<Output32<std::uint32_t>, 6>(
      stream, plane, first_index, static_cast<std::int64_t>(out.size()), out.data(),
      []<int n>(const V32(&even)[n], const V32(&odd)[n], V32(&first)[n], V32(&second)[n]) HWY_ATTR {
        for (int i = 0; i < n; ++i) {
          first[i] = even[i];
          second[i] = odd[i];
        }
      });
}

// Whether t's power of two may be moved into the scale, and no value can leave the bounds: rounding
// keeps order, so where the largest |t| stays within them, all do.
bool IsPlain(const Affine32& affine) {
  constexpr float kLargestT = 1 - 0x1p-24f;
  return affine.scale * 0x1p-23f * 0x1p23f == affine.scale &&
         affine.offset + affine.scale * kLargestT <= affine.high &&
         affine.offset - affine.scale * kLargestT >= affine.low;
}

template <bool kPlain>
void UniformWith(Stream stream, const Affine32& affine, std::uint64_t first_index,
                 std::int64_t count, DType dtype, std::byte* out) {
  const VF32 offset = Constant(affine.offset);
  const VF32 scale = Constant(kPlain ? affine.scale * 0x1p-23f : affine.scale);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const auto value = [&](V32 word) HWY_ATTR {
    // n - 2^23 + 1/2 of a 24-bit n in one exact sum.
    const VF32 n = hn::ConvertTo(DF32(), hn::BitCast(DI32(), hn::ShiftRight<8>(word)));
    const VF32 t = hn::Add(n, Constant(0.5f - 0x1p23f));
    if constexpr (kPlain) {
      return hn::Add(offset, hn::Mul(scale, t));
    } else {
      const VF32 x = hn::Add(offset, hn::Mul(scale, hn::Mul(t, Constant(0x1p-23f))));
      return hn::Min(hn::Max(x, low), high);
    }
  };
  WithOutput(dtype, out, [&]<class Output>(Output, typename Output::Element* to) HWY_ATTR {
    ForEachState<Output, 6>(stream, kValuePlane, first_index, count, to,
                            [&]<int n>(const V32(&even)[n], const V32(&odd)[n], VF32(&first)[n],
                                       VF32(&second)[n]) HWY_ATTR {
                              for (int i = 0; i < n; ++i) {
                                first[i] = value(even[i]);
                                second[i] = value(odd[i]);
                              }
                            });
  });
}

void Uniform(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
             DType dtype, std::byte* out) {
  if (IsPlain(affine)) {
    UniformWith<true>(stream, affine, first_index, count, dtype, out);
  } else {
    UniformWith<false>(stream, affine, first_index, count, dtype, out);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
