// Per target: how vectors of values become elements of a dtype in memory. Included once per target
// by the .cc files, after hwy/foreach_target.h.
#if defined(WEIGHTINIT_SOURCE_KERNELS_OUTPUTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHTINIT_SOURCE_KERNELS_OUTPUTS_INL_H_
#undef WEIGHTINIT_SOURCE_KERNELS_OUTPUTS_INL_H_
#else
#define WEIGHTINIT_SOURCE_KERNELS_OUTPUTS_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "lib/source/kernels/number_formats.h"
#include "lib/source/kernels/vector-inl.h"
#include "weightinit/dtype.h"

#if WEIGHTINIT_VECTOR_TARGET

HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// The bits of a vector in a narrow format, in 32-bit lanes. In integers: Highway's own DemoteTo
// float16 is not to nearest even below AVX2 (1.0.3).
template <class Format>
HWY_INLINE V32 NarrowLanes(VF32 value) {
  using R = Rounding<Format>;
  const D32 d32;
  const DF32 df;
  const V32 bits = hn::BitCast(d32, value);
  const V32 magnitude = hn::And(bits, hn::Set(d32, 0x7FFFFFFF));
  const V32 sign = hn::And(hn::ShiftRight<Format::kSignShift>(bits),
                           hn::Set(d32, 0x80000000 >> Format::kSignShift));
  const V32 odd = hn::And(hn::ShiftRight<R::kShift>(magnitude), hn::Set(d32, 1));
  const V32 normal = hn::Min(
      hn::ShiftRight<R::kShift>(hn::Add(hn::Add(magnitude, odd), hn::Set(d32, R::kRebiasAndHalf))),
      hn::Set(d32, Format::kLargest));
  const V32 magic = hn::Set(d32, R::kSubnormalMagic);
  const V32 subnormal =
      hn::Sub(hn::BitCast(d32, hn::Add(hn::BitCast(df, magnitude), hn::BitCast(df, magic))), magic);
  V32 result =
      hn::IfThenElse(hn::Lt(magnitude, hn::Set(d32, R::kSmallestNormal)), subnormal, normal);
  result = hn::IfThenElse(hn::Gt(magnitude, hn::Set(d32, 0x7F800000)), hn::Set(d32, Format::kNan),
                          result);
  return hn::Or(result, sign);
}

// A binary32 whose high half is the bfloat16 nearest to the value. NaN is not kept.
HWY_INLINE V32 RoundedToBFloat16(VF32 value) {
  const D32 d32;
  const V32 bits = hn::BitCast(d32, value);
  const V32 odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
  return hn::Add(hn::Add(bits, hn::Set(d32, 0x7FFF)), odd);
}

// An output takes elements as the kernels have them: `even` holds those of even index of one state,
// `odd` those of odd index, in an order of lanes that makes InterleaveLower(even, odd), then
// InterleaveUpper, the natural one.

// 32-bit elements, words or values.
template <class T>
struct Output32 {
  using Element = T;
  using V = hn::Vec<hn::ScalableTag<T>>;
  HWY_INLINE static void Store(V even, V odd, T* HWY_RESTRICT to) {
    const hn::ScalableTag<T> d;
    hn::StoreU(hn::InterleaveLower(d, even, odd), d, to);
    hn::StoreU(hn::InterleaveUpper(d, even, odd), d, to + hn::Lanes(d));
  }
};

// Lanes that hold two neighbours each, in natural order: the lower halves of all 128-bit blocks
// come before the upper halves.
HWY_INLINE V32 NaturalOrderOfPairs(V32 pairs) {
  const D32 d32;
  if constexpr (hn::MaxLanes(d32) == 4) {
    return pairs;
  } else if constexpr (hn::MaxLanes(d32) == 8) {
    alignas(32) static constexpr std::int32_t kOrder[8] = {0, 1, 4, 5, 2, 3, 6, 7};
    return hn::TableLookupLanes(pairs, hn::SetTableIndices(d32, kOrder));
  } else {
    alignas(64) static constexpr std::int32_t kOrder[16] = {0, 1, 4, 5, 8,  9,  12, 13,
                                                            2, 3, 6, 7, 10, 11, 14, 15};
    return hn::TableLookupLanes(pairs, hn::SetTableIndices(d32, kOrder));
  }
}

HWY_INLINE void StorePairs(V32 pairs, std::uint16_t* HWY_RESTRICT to) {
  const hn::ScalableTag<std::uint16_t> d16;
  hn::StoreU(hn::BitCast(d16, NaturalOrderOfPairs(pairs)), d16, to);
}

struct BFloat16Output {
  using Element = std::uint16_t;
  using V = VF32;
  HWY_INLINE static void Store(VF32 even, VF32 odd, Element* HWY_RESTRICT to) {
    const V32 low = hn::ShiftRight<16>(RoundedToBFloat16(even));
    const V32 high = hn::And(RoundedToBFloat16(odd), hn::Set(D32(), 0xFFFF0000));
    StorePairs(hn::Or(low, high), to);
  }
};

struct Float16Output {
  using Element = std::uint16_t;
  using V = VF32;
  HWY_INLINE static void Store(VF32 even, VF32 odd, Element* HWY_RESTRICT to) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3  // in hardware, to nearest even
    const DF32 df;
    const hn::Rebind<hwy::float16_t, DF32> d16;
    const hn::Rebind<std::uint16_t, DF32> du16;
    const auto narrow = [&](VF32 value)
                            HWY_ATTR { return hn::BitCast(du16, hn::DemoteTo(d16, value)); };
    hn::StoreU(narrow(hn::InterleaveLower(df, even, odd)), du16, to);
    hn::StoreU(narrow(hn::InterleaveUpper(df, even, odd)), du16, to + hn::Lanes(df));
#else
    StorePairs(hn::Or(NarrowLanes<Float16Format>(even),
                      hn::ShiftLeft<16>(NarrowLanes<Float16Format>(odd))),
               to);
#endif
  }
};

template <class Format>
struct Float8Output {
  using Element = std::uint8_t;
  using V = VF32;
  HWY_INLINE static void Store(VF32 even, VF32 odd, Element* HWY_RESTRICT to) {
    const hn::Rebind<std::uint16_t, D32> d16;
    const hn::Repartition<std::uint8_t, decltype(d16)> d8;
    const V32 pairs = hn::Or(NarrowLanes<Format>(even), hn::ShiftLeft<8>(NarrowLanes<Format>(odd)));
    const auto elements = hn::DemoteTo(d16, hn::BitCast(DI32(), NaturalOrderOfPairs(pairs)));
    hn::StoreU(hn::BitCast(d8, elements), d8, to);
  }
};

// Calls write(Output(), Output::Element* out) for the dtype's output. REQUIRES: `out` is aligned
// for its elements; the dtype is a floating one of at most 32 bits.
template <class Write>
HWY_INLINE void WithOutput(DType dtype, std::byte* out, const Write& write) {
  const auto as = [&]<class Output>(Output output)
                      HWY_ATTR { write(output, reinterpret_cast<typename Output::Element*>(out)); };
  switch (dtype) {
    case DType::kBFloat16:
      return as(BFloat16Output());
    case DType::kFloat16:
      return as(Float16Output());
    case DType::kFloat8E4M3FN:
      return as(Float8Output<Float8E4M3FNFormat>());
    case DType::kFloat8E5M2:
      return as(Float8Output<Float8E5M2Format>());
    default:
      return as(Output32<float>());
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // WEIGHTINIT_VECTOR_TARGET
#endif  // per-target include guard
