// Per target: the kernels that a target gives to Table (targets.h), each defined in the file of its
// name. And what they share. Included once per target by the .cc files, after hwy/foreach_target.h.
#if defined(WEIGHTINIT_SOURCE_KERNELS_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef WEIGHTINIT_SOURCE_KERNELS_VECTOR_INL_H_
#undef WEIGHTINIT_SOURCE_KERNELS_VECTOR_INL_H_
#else
#define WEIGHTINIT_SOURCE_KERNELS_VECTOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "hwy/highway.h"
#include "lib/source/kernels/coefficients.h"
#include "lib/source/kernels/targets.h"

// Highway's own portable targets lack operations that we need; scalar.cc stands in for them.
#undef WEIGHTINIT_VECTOR_TARGET
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
#define WEIGHTINIT_VECTOR_TARGET 0
#else
#define WEIGHTINIT_VECTOR_TARGET 1
#endif

#if WEIGHTINIT_VECTOR_TARGET

HWY_BEFORE_NAMESPACE();
namespace weightinit::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void Words(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out);
void Uniform(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
             DType dtype, std::byte* out);
void Normal(Stream stream, const Affine32& affine, std::uint64_t first_index, std::int64_t count,
            DType dtype, std::byte* out);
void TruncatedNormal(Stream stream, const TruncatedNormalParams& params, const Affine32& affine,
                     std::uint64_t first_index, std::int64_t count, DType dtype, std::byte* out);
void NormalOfWords(const std::uint32_t* words, std::int64_t count, float* out);
void TruncatedNormalOfWords(const TruncatedNormalParams& params, const std::uint32_t* words,
                            std::int64_t count, float* out);
void AffineToF64(const Affine64& affine, const float* in, std::int64_t count, double* out);
void Convert(const float* in, std::int64_t count, DType dtype, std::byte* out);
std::uint64_t Digest(std::uint64_t position, std::uint64_t step, const std::byte* values,
                     std::int64_t count, int element_bytes);

using D64 = hn::ScalableTag<std::uint64_t>;
using D32 = hn::ScalableTag<std::uint32_t>;
using DI32 = hn::ScalableTag<std::int32_t>;
using DF32 = hn::ScalableTag<float>;
using V64 = hn::Vec<D64>;
using V32 = hn::Vec<D32>;
using VF32 = hn::Vec<DF32>;

HWY_INLINE VF32 Constant(float value) { return hn::Set(DF32(), value); }

// The binary32 nearest to an unsigned word.
HWY_INLINE VF32 FromUnsigned(V32 word) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
  return hn::ConvertTo(DF32(), word);
#else
  // Halves of 16 bits are exact, so that only the last sum rounds: 2^39 + high·2^16 and 2^23 + low
  // are written as bits.
  const D32 d32;
  const VF32 high = hn::BitCast(DF32(), hn::Or(hn::ShiftRight<16>(word), hn::Set(d32, 0x53000000)));
  const VF32 low =
      hn::BitCast(DF32(), hn::Or(hn::And(word, hn::Set(d32, 0xFFFF)), hn::Set(d32, 0x4B000000)));
  return hn::Add(hn::Sub(high, Constant(0x1p39f + 0x1p23f)), low);
#endif
}

// Several vectors at once: the kernels are chains of dependent operations, and the processor's
// window is too small to find the next vector behind a whole chain. So each step is written for all
// vectors of an iteration.
template <int n>
using Several = VF32[n];

template <int n, std::size_t size>
HWY_INLINE void Horner(const float (&coefficients)[size], const Several<n>& x, Several<n>& sum) {
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) sum[i] = Constant(coefficients[0]);
#pragma GCC unroll 16
  for (std::size_t j = 1; j < size; ++j) {
    const VF32 c = Constant(coefficients[j]);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) sum[i] = hn::Add(hn::Mul(sum[i], x[i]), c);
  }
}

// sqrt(-2 ln(U·2^-scale)) of a U ≤ 2^scale. Valid range, maximum error: reference.h.
template <int scale, int n>
HWY_INLINE void SqrtMinusTwoLog(const Several<n>& u, Several<n>& result) {
  const D32 d32;
  constexpr std::uint32_t kLowBits = 0x3F280000;
  static_assert(kLogLow == 0.65625f);  // whose bits these are
  Several<n> f, e, polynomial;
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) {
    const V32 offset = hn::Sub(hn::BitCast(d32, u[i]),
                               hn::Set(d32, kLowBits + (static_cast<std::uint32_t>(scale) << 23)));
    const V32 exponent = hn::And(offset, hn::Set(d32, 0xFF800000));
    const V32 mantissa = hn::Add(hn::And(offset, hn::Set(d32, 0x007FFFFF)), hn::Set(d32, kLowBits));
    f[i] = hn::Sub(hn::BitCast(DF32(), mantissa), Constant(1.0f));
    // The exponent times 2^23 as it lies there: a power of two moved to the constant changes no
    // rounding.
    e[i] = hn::Mul(hn::ConvertTo(DF32(), hn::BitCast(DI32(), exponent)),
                   Constant(kMinusTwoLn2 * 0x1p-23f));
  }
  Horner<n>(kLog, f, polynomial);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) result[i] = hn::Sqrt(hn::Add(hn::Mul(f[i], polynomial[i]), e[i]));
}

// Philox4x32-10 for counters that share all but the low 32 bits of the block.
class Philox {
 public:
  Philox(Stream stream, std::uint32_t block_high) {
    const D64 d64;
    const auto s_low = static_cast<std::uint32_t>(stream.subsequence);
    const auto s_high = static_cast<std::uint32_t>(stream.subsequence >> 32);
    std::uint32_t key0[10], key1[10];
    key0[0] = static_cast<std::uint32_t>(stream.seed);
    key1[0] = static_cast<std::uint32_t>(stream.seed >> 32);
    for (int r = 1; r < 10; ++r) {
      key0[r] = key0[r - 1] + 0x9E3779B9;
      key1[r] = key1[r - 1] + 0xBB67AE85;
    }
    // What is the same in all lanes of the first rounds is multiplied once, here.
    const std::uint64_t p1 = std::uint64_t{kMultiplier1} * s_low;
    const std::uint32_t c0 = static_cast<std::uint32_t>(p1 >> 32) ^ block_high ^ key0[0];
    const std::uint64_t p0 = std::uint64_t{kMultiplier0} * c0;
    first2_ = hn::Set(d64, s_high ^ key1[0]);
    second0_ = hn::Set(d64, static_cast<std::uint32_t>(p1) ^ key0[1]);
    second2_ = hn::Set(d64, static_cast<std::uint32_t>(p0 >> 32) ^ key1[1]);
    key0_[2] = hn::Set(d64, key0[2]);
    key1_[2] = hn::Set(d64, static_cast<std::uint32_t>(p0) ^ key1[2]);
    for (int r = 3; r < 10; ++r) {
      key0_[r] = hn::Set(d64, key0[r]);
      key1_[r] = hn::Set(d64, key1[r]);
    }
    key1_[9] = hn::ShiftLeft<32>(key1_[9]);  // the last round works in the high half
  }

  // The words of the blocks whose low 32 bits are in the low halves of `blocks`: those of even
  // index and those of odd index.
  template <int states>
  HWY_INLINE void Draw(const V64 (&blocks)[states], V32 (&even)[states], V32 (&odd)[states]) const {
    // One lane per block, in 64-bit lanes whose high halves are unspecified.
    V64 c0[states], c1[states], c2[states], c3[states];
    const D32 d32;
    const D64 d64;
    const V32 m0 = hn::BitCast(d32, hn::Set(d64, kMultiplier0));
    const V32 m1 = hn::BitCast(d32, hn::Set(d64, kMultiplier1));
    V64 p0[states], p1[states];
#pragma GCC unroll 16
    for (int i = 0; i < states; ++i) {
      // Rounds 1 to 3 without what is constant.
      c3[i] = hn::MulEven(hn::BitCast(d32, blocks[i]), m0);
      c2[i] = hn::Xor(hn::ShiftRight<32>(c3[i]), first2_);
      c1[i] = hn::MulEven(hn::BitCast(d32, c2[i]), m1);
      c0[i] = hn::Xor(hn::ShiftRight<32>(c1[i]), second0_);
      c2[i] = hn::Xor(c3[i], second2_);
      p0[i] = hn::MulEven(hn::BitCast(d32, c0[i]), m0);
      p1[i] = hn::MulEven(hn::BitCast(d32, c2[i]), m1);
      c0[i] = hn::Xor3(hn::ShiftRight<32>(p1[i]), c1[i], key0_[2]);
      c2[i] = hn::Xor(hn::ShiftRight<32>(p0[i]), key1_[2]);
      c1[i] = p1[i];
      c3[i] = p0[i];
    }
#pragma GCC unroll 16
    for (int r = 3; r < 9; ++r) {
#pragma GCC unroll 16
      for (int i = 0; i < states; ++i) {
        p0[i] = hn::MulEven(hn::BitCast(d32, c0[i]), m0);
        p1[i] = hn::MulEven(hn::BitCast(d32, c2[i]), m1);
        c0[i] = hn::Xor3(hn::ShiftRight<32>(p1[i]), c1[i], key0_[r]);
        c2[i] = hn::Xor3(hn::ShiftRight<32>(p0[i]), c3[i], key1_[r]);
        c1[i] = p1[i];
        c3[i] = p0[i];
      }
    }
    // The last round puts its words where they are wanted: c0 and c2 into `even`, c1 and c3 into
    // `odd`, the first of each in the low halves.
#pragma GCC unroll 16
    for (int i = 0; i < states; ++i) {
      p0[i] = hn::MulEven(hn::BitCast(d32, c0[i]), m0);
      p1[i] = hn::MulEven(hn::BitCast(d32, c2[i]), m1);
      const V64 last0 = hn::Xor3(hn::ShiftRight<32>(p1[i]), c1[i], key0_[9]);
      const V64 last2 = hn::Xor3(p0[i], hn::ShiftLeft<32>(c3[i]), key1_[9]);
      even[i] = hn::OddEven(hn::BitCast(d32, last2), hn::BitCast(d32, last0));
      odd[i] = hn::OddEven(hn::BitCast(d32, hn::ShiftLeft<32>(p0[i])), hn::BitCast(d32, p1[i]));
    }
  }

 private:
  static constexpr std::uint32_t kMultiplier0 = 0xD2511F53;
  static constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57;
  V64 first2_, second0_, second2_;
  V64 key0_[10], key1_[10];
};

// Writes out[0, count) from a kernel that turns whole states into elements.
//
// values(even, odd, first, second) gets the words of even index of each state and those of odd
// index, and gives the elements of even and of odd index (as Output::Store takes them,
// outputs-inl.h). The lanes hold the blocks in the order that Output relies on: within each 128
// bits block j and block lanes/2 + j.
//
// kStates are drawn at once: chains that hide each other's latency, as many as the registers hold.
template <class Output, int kStates, class Values>
HWY_INLINE void ForEachState(Stream stream, int plane, std::uint64_t first_index,
                             std::int64_t count, typename Output::Element* HWY_RESTRICT out,
                             const Values& values) {
  using T = typename Output::Element;
  const D64 d64;
  const std::size_t lanes = hn::Lanes(d64);
  const std::size_t state_size = 4 * lanes;
  const V64 iota = hn::Iota(d64, 0);
  const V64 half = hn::Set(d64, lanes / 2);
  const V64 order = hn::Add(hn::ShiftRight<1>(iota),
                            hn::And(half, hn::Sub(hn::Zero(d64), hn::And(iota, hn::Set(d64, 1)))));

  const auto draw = [&]<int n>(const Philox& philox, const V64(&counters)[n],
                               T* HWY_RESTRICT to) HWY_ATTR {
    V32 even[n], odd[n];
    philox.Draw(counters, even, odd);
    typename Output::V first[n], second[n];
    values(even, odd, first, second);
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      Output::Store(first[i], second[i], to + static_cast<std::size_t>(i) * state_size);
    }
  };

  auto left = static_cast<std::size_t>(count);
  std::uint64_t block = first_index / 4;
  std::size_t skip = first_index % 4;
  while (left > 0) {
    // Up to where the high half of the block changes.
    const std::uint64_t high_block = block + (static_cast<std::uint64_t>(plane) << 62);
    const Philox philox(stream, static_cast<std::uint32_t>(high_block >> 32));
    const std::uint64_t until = (std::uint64_t{1} << 32) - static_cast<std::uint32_t>(block);
    std::size_t n = static_cast<std::size_t>(
        left + skip < until * 4 ? left : static_cast<std::size_t>(until * 4 - skip));
    left -= n;
    V64 blocks = hn::Add(hn::Set(d64, static_cast<std::uint32_t>(block)), order);
    const V64 step = hn::Set(d64, lanes);
    block += until;  // used only if another turn follows
    // One state at a time where fewer are left; the ragged ends go through a buffer, with the same
    // operations.
    const auto single = [&]() HWY_ATTR {
      const V64 counters[1] = {blocks};
      const bool whole = skip == 0 && n >= state_size;
      T buffer[4 * hn::MaxLanes(d64)];
      draw(philox, counters, whole ? out : buffer);
      const std::size_t part = n < state_size - skip ? n : state_size - skip;
      if (!whole) std::memcpy(out, buffer + skip, part * sizeof(T));
      out += part;
      n -= part;
      skip = 0;
      blocks = hn::Add(blocks, step);
    };
    if (skip != 0) single();
    for (; n >= kStates * state_size; n -= kStates * state_size, out += kStates * state_size) {
      V64 counters[kStates];
#pragma GCC unroll 16
      for (V64& counter : counters) {
        counter = blocks;
        blocks = hn::Add(blocks, step);
      }
      draw(philox, counters, out);
    }
    while (n > 0) single();
  }
}

}  // namespace weightinit::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // WEIGHTINIT_VECTOR_TARGET
#endif  // per-target include guard
