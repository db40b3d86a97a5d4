// The digest of a run of elements: the splitmix64 finalizer of index and bits, summed.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/kernels/digest.cc"
#include "hwy/foreach_target.h"
#include "lib/source/kernels/mix.h"
#include "lib/source/kernels/vector-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

// a·b mod 2^64 in each lane; b is the same in all.
class MultiplierBy {
 public:
  explicit MultiplierBy(std::uint64_t b) : b_(hn::Set(D64(), b)), high_(hn::ShiftRight<32>(b_)) {}

  HWY_INLINE V64 operator()(V64 a) const {
#if HWY_TARGET == HWY_AVX3
    return hn::Mul(a, b_);
#else
    const D32 d32;
    const V64 crossed =
        hn::Add(hn::MulEven(hn::BitCast(d32, hn::ShiftRight<32>(a)), hn::BitCast(d32, b_)),
                hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, high_)));
    return hn::Add(hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, b_)),
                   hn::ShiftLeft<32>(crossed));
#endif
  }

 private:
  V64 b_, high_;
};

// A 64-bit lane of memory holds several elements. That at one place of each, moved to the low end.
template <class Element, int place>
HWY_INLINE V64 ElementsOf(V64 lanes) {
  constexpr int kBits = 8 * sizeof(Element);
  const V64 moved = hn::ShiftRight<place * kBits>(lanes);
  return (place + 1) * kBits == 64
             ? moved
             : hn::And(moved, hn::Set(D64(), (std::uint64_t{2} << (kBits - 1)) - 1));
}

template <class Element>
std::uint64_t DigestOfElements(std::uint64_t position, std::uint64_t step, const std::byte* values,
                               std::size_t count) {
  constexpr int kPerLane = 8 / sizeof(Element);
  constexpr int kVectors = kPerLane < 4 ? 4 / kPerLane : 1;
  constexpr int kChains = kVectors * kPerLane;  // that hide each other's latency
  const D64 d64;
  const std::size_t lanes = hn::Lanes(d64);
  const std::size_t per_turn = kChains * lanes;
  const MultiplierBy first(kMixMultiplier1), second(kMixMultiplier2);
  // Chain c has place c % kPerLane of vector c / kPerLane.
  V64 at[kChains], sums[kChains];
  for (std::size_t c = 0; c < kChains; ++c) {
    alignas(64) std::uint64_t starts[hn::MaxLanes(d64)];
    for (std::size_t i = 0; i < lanes; ++i) {
      starts[i] = position + ((c / kPerLane * lanes + i) * kPerLane + c % kPerLane) * step;
    }
    at[c] = hn::Load(d64, starts);
    sums[c] = hn::Zero(d64);
  }
  const hn::ScalableTag<Element> elements;
  const V64 advance = hn::Set(d64, per_turn * step);
  std::size_t done = 0;
  for (; done + per_turn <= count; done += per_turn) {
    V64 z[kChains];
    const auto* const from = reinterpret_cast<const Element*>(values + done * sizeof(Element));
    const auto add_elements = [&]<std::size_t... c>(std::index_sequence<c...>) HWY_ATTR {
      ((z[c] =
            hn::Add(at[c], ElementsOf<Element, c % kPerLane>(hn::BitCast(
                               d64, hn::LoadU(elements, from + c / kPerLane * lanes * kPerLane))))),
       ...);
    };
    add_elements(std::make_index_sequence<kChains>());
#pragma GCC unroll 8
    for (V64& x : at) x = hn::Add(x, advance);
#pragma GCC unroll 8
    for (V64& x : z) x = first(hn::Xor(x, hn::ShiftRight<30>(x)));
#pragma GCC unroll 8
    for (V64& x : z) x = second(hn::Xor(x, hn::ShiftRight<27>(x)));
#pragma GCC unroll 8
    for (std::size_t c = 0; c < kChains; ++c)
      sums[c] = hn::Add(sums[c], hn::Xor(z[c], hn::ShiftRight<31>(z[c])));
  }
  for (std::size_t c = 1; c < kChains; ++c) sums[0] = hn::Add(sums[0], sums[c]);
  alignas(64) std::uint64_t partial[hn::MaxLanes(d64)];
  hn::Store(sums[0], d64, partial);
  std::uint64_t digest = 0;
  for (std::size_t i = 0; i < lanes; ++i) digest += partial[i];
  return digest + DigestByElement<Element>(position + done * step, step,
                                           values + done * sizeof(Element), count - done);
}

std::uint64_t Digest(std::uint64_t position, std::uint64_t step, const std::byte* values,
                     std::int64_t count, int element_bytes) {
  const auto n = static_cast<std::size_t>(count);
  switch (element_bytes) {
    case 1:
      return DigestOfElements<std::uint8_t>(position, step, values, n);
    case 2:
      return DigestOfElements<std::uint16_t>(position, step, values, n);
    case 4:
      return DigestOfElements<std::uint32_t>(position, step, values, n);
    default:
      return DigestOfElements<std::uint64_t>(position, step, values, n);
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
