// Words, and the uniform distribution.
#include <cmath>

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

// How offset + scale·t may be computed without changing a bit of it.
enum class Form {
  kAsWritten,
  // t's power of two is part of the scale, and nothing needs to be clamped.
  kUnclamped,
  // And the product needs no rounding of its own: the sum and the product are one operation.
  kFused,
};

Form FormOf(const Affine32& affine) {
  // Rounding keeps order: where the largest |t| stays within the bounds, all do.
  constexpr float kLargestT = 1 - 0x1p-24f;
  if (affine.scale * 0x1p-23f * 0x1p23f != affine.scale ||
      affine.offset + affine.scale * kLargestT > affine.high ||
      affine.offset - affine.scale * kLargestT < affine.low) {
    return Form::kAsWritten;
  }
  // Far from what underflows, a power of two times t is exact, and nothing is rounded twice in a
  // sum with 0.
  int exponent;
  const bool exact = std::frexp(affine.scale, &exponent) == 0.5f || affine.offset == 0;
  return exact && affine.scale > 0x1p-100f ? Form::kFused : Form::kUnclamped;
}

template <Form form>
void UniformWith(Stream stream, const Affine32& affine, std::uint64_t first_index,
                 std::int64_t count, DType dtype, std::byte* out) {
  const VF32 offset = Constant(affine.offset);
  const VF32 scale = Constant(form == Form::kAsWritten ? affine.scale : affine.scale * 0x1p-23f);
  const VF32 low = Constant(affine.low), high = Constant(affine.high);
  const auto value = [&](V32 word) HWY_ATTR {
    // n - 2^23 + 1/2 of a 24-bit n in one exact sum.
    const VF32 n = hn::ConvertTo(DF32(), hn::BitCast(DI32(), hn::ShiftRight<8>(word)));
    const VF32 t = hn::Add(n, Constant(0.5f - 0x1p23f));
    if constexpr (form == Form::kFused) {
      return hn::MulAdd(scale, t, offset);
    } else if constexpr (form == Form::kUnclamped) {
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
  switch (FormOf(affine)) {
    case Form::kAsWritten:
      return UniformWith<Form::kAsWritten>(stream, affine, first_index, count, dtype, out);
    case Form::kUnclamped:
      return UniformWith<Form::kUnclamped>(stream, affine, first_index, count, dtype, out);
    case Form::kFused:
      return UniformWith<Form::kFused>(stream, affine, first_index, count, dtype, out);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
