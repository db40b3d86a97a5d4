// Binary32 to every floating dtype, and the affine map in binary64.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/convert.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/number_formats.h"
#include "lib/source/kernels/outputs-inl.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

using DU16 = hn::Rebind<std::uint16_t, D32>;
using DU8 = hn::Rebind<std::uint8_t, D32>;
using DF64 = hn::ScalableTag<double>;
using DHalfF32 = hn::Rebind<float, DF64>;

// Each format gives: the element, and the bits of a vector in 32-bit lanes.
struct BFloat16Lanes {
  using Element = std::uint16_t;
  static Element One(float value) { return BFloat16Bits(value); }
  HWY_INLINE V32 operator()(VF32 value) const {
    const D32 d32;
    const V32 bits = hn::BitCast(d32, value);
    const V32 rounded = hn::ShiftRight<16>(RoundedToBFloat16(value));
    const V32 nan =
        hn::Or(hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 0x8000)), hn::Set(d32, 0x7FC0));
    const auto is_nan = hn::Gt(hn::And(bits, hn::Set(d32, 0x7FFFFFFF)), hn::Set(d32, 0x7F800000));
    return hn::IfThenElse(is_nan, nan, rounded);
  }
};

template <class Format, class T>
struct FormatLanes {
  using Element = T;
  static Element One(float value) { return static_cast<T>(NarrowBits<Format>(value)); }
  HWY_INLINE V32 operator()(VF32 value) const { return NarrowLanes<Format>(value); }
};

HWY_INLINE void StoreNarrow(V32 lanes, std::uint16_t* out) {
  const DU16 d16;
  hn::StoreU(hn::DemoteTo(d16, hn::BitCast(DI32(), lanes)), d16, out);
}
HWY_INLINE void StoreNarrow(V32 lanes, std::uint8_t* out) {
  const DU8 d8;
  hn::StoreU(hn::DemoteTo(d8, hn::BitCast(DI32(), lanes)), d8, out);
}

// Through a buffer, since `out` may have any alignment: it is copied where it need not be.
template <class Lanes>
HWY_INLINE void ConvertWith(const float* in, std::size_t count, std::byte* out,
                            const Lanes& lanes) {
  using T = typename Lanes::Element;
  const DF32 df;
  const std::size_t n = hn::Lanes(df);
  std::size_t i = 0;
  if (IsAligned(out, alignof(T))) {
    T* const to = reinterpret_cast<T*>(out);
    for (; i + n <= count; i += n) StoreNarrow(lanes(hn::LoadU(df, in + i)), to + i);
  } else {
    for (; i + n <= count; i += n) {
      T buffer[hn::MaxLanes(df)];
      StoreNarrow(lanes(hn::LoadU(df, in + i)), buffer);
      std::memcpy(out + i * sizeof(T), buffer, n * sizeof(T));
    }
  }
  for (; i < count; ++i) {
    const T value = Lanes::One(in[i]);
    std::memcpy(out + i * sizeof(T), &value, sizeof(T));
  }
}

void Convert(const float* in, std::int64_t count, DType dtype, std::byte* out) {
  const auto n = static_cast<std::size_t>(count);
  switch (dtype) {
    case DType::kFloat32:
      if (n > 0) std::memcpy(out, in, n * sizeof(float));
      return;
    case DType::kFloat64:
      for (std::size_t i = 0; i < n; ++i) {
        const double wide = in[i];
        std::memcpy(out + i * sizeof(double), &wide, sizeof(double));
      }
      return;
    case DType::kBFloat16:
      return ConvertWith(in, n, out, BFloat16Lanes());
    case DType::kFloat16:
      return ConvertWith(in, n, out, FormatLanes<Float16Format, std::uint16_t>());
    case DType::kFloat8E4M3FN:
      return ConvertWith(in, n, out, FormatLanes<Float8E4M3FNFormat, std::uint8_t>());
    case DType::kFloat8E5M2:
      return ConvertWith(in, n, out, FormatLanes<Float8E5M2Format, std::uint8_t>());
    default:
      return;
  }
}

void AffineToF64(const Affine64& affine, const float* in, std::int64_t count, double* out) {
  const DF64 dd;
  const DHalfF32 df;
  const auto offset = hn::Set(dd, affine.offset), scale = hn::Set(dd, affine.scale);
  const auto low = hn::Set(dd, affine.low), high = hn::Set(dd, affine.high);
  const auto n = static_cast<std::size_t>(count);
  const std::size_t lanes = hn::Lanes(dd);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::PromoteTo(dd, hn::LoadU(df, in + i));
    hn::StoreU(hn::Min(hn::Max(hn::Add(offset, hn::Mul(scale, value)), low), high), dd, out + i);
  }
  for (; i < n; ++i) {
    const double value = affine.offset + affine.scale * static_cast<double>(in[i]);
    out[i] = value < affine.low ? affine.low : (value > affine.high ? affine.high : value);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
