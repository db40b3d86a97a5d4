// The digest of a run of elements: the splitmix64 finalizer of index and bits, summed.
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

// Elements at `values`, which need not be aligned, in 64-bit lanes.
template <class Element>
HWY_INLINE V64 LoadWide(const std::byte* values) {
  const D64 d64;
  const hn::Rebind<Element, D64> narrow;
  const hn::Rebind<std::uint32_t, D64> d32;
  const auto elements = hn::LoadU(narrow, reinterpret_cast<const Element*>(values));
  if constexpr (sizeof(Element) == 8) {
    return elements;
  } else if constexpr (sizeof(Element) == 4) {
    return hn::PromoteTo(d64, elements);
  } else {
    return hn::PromoteTo(d64, hn::PromoteTo(d32, elements));
  }
}

template <class Element>
std::uint64_t DigestOfElements(std::uint64_t position, std::uint64_t step, const std::byte* values,
                               std::size_t count) {
  constexpr std::size_t kChains = 4;  // that hide each other's latency
  const D64 d64;
  const std::size_t lanes = hn::Lanes(d64);
  const MultiplierBy first(kMixMultiplier1), second(kMixMultiplier2);
  alignas(64) std::uint64_t starts[hn::MaxLanes(d64)];
  for (std::size_t i = 0; i < lanes; ++i) starts[i] = position + i * step;
  const V64 per_vector = hn::Set(d64, lanes * step);
  V64 at = hn::Load(d64, starts);
  V64 sums[kChains];
  for (V64& sum : sums) sum = hn::Zero(d64);
  std::size_t done = 0;
  for (; done + kChains * lanes <= count; done += kChains * lanes) {
    V64 z[kChains];
#pragma GCC unroll 4
    for (std::size_t c = 0; c < kChains; ++c) {
      z[c] = hn::Add(at, LoadWide<Element>(values + (done + c * lanes) * sizeof(Element)));
      at = hn::Add(at, per_vector);
    }
#pragma GCC unroll 4
    for (V64& x : z) x = first(hn::Xor(x, hn::ShiftRight<30>(x)));
#pragma GCC unroll 4
    for (V64& x : z) x = second(hn::Xor(x, hn::ShiftRight<27>(x)));
#pragma GCC unroll 4
    for (std::size_t c = 0; c < kChains; ++c)
      sums[c] = hn::Add(sums[c], hn::Xor(z[c], hn::ShiftRight<31>(z[c])));
  }
  alignas(64) std::uint64_t partial[hn::MaxLanes(d64)];
  hn::Store(hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3])), d64, partial);
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
