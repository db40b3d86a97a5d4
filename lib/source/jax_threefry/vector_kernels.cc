// The same for every vector target; scalar_kernels.cc has the steps.
#include "lib/source/kernels/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/jax_threefry/vector_kernels.cc"
#include "hwy/foreach_target.h"
#include "lib/source/jax_threefry/kernels.h"
#include "lib/source/torch_cpu/vector_math-inl.h"

#if WEIGHTINIT_VECTOR_TARGET
HWY_BEFORE_NAMESPACE();
namespace weightinit::jax_threefry::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using kernels::HWY_NAMESPACE::Constant;
using kernels::HWY_NAMESPACE::D32;
using kernels::HWY_NAMESPACE::DF32;
using kernels::HWY_NAMESPACE::Several;
using kernels::HWY_NAMESPACE::V32;
using kernels::HWY_NAMESPACE::VF32;
using torch_cpu::HWY_NAMESPACE::Fma;

// Chains that hide each other's latency.
constexpr int kChains = 4;

template <int rotation>
HWY_INLINE void Round(V32 (&x0)[kChains], V32 (&x1)[kChains]) {
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    x0[i] = hn::Add(x0[i], x1[i]);
    x1[i] = hn::Xor(hn::Or(hn::ShiftLeft<rotation>(x1[i]), hn::ShiftRight<32 - rotation>(x1[i])),
                    x0[i]);
  }
}

HWY_INLINE void Inject(V32 (&x0)[kChains], V32 (&x1)[kChains], std::uint32_t key0,
                       std::uint32_t key1) {
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) {
    x0[i] = hn::Add(x0[i], hn::Set(D32(), key0));
    x1[i] = hn::Add(x1[i], hn::Set(D32(), key1));
  }
}

// Four rounds and a key, of an odd or an even group.
template <int a, int b, int c, int d>
HWY_INLINE void Group(V32 (&x0)[kChains], V32 (&x1)[kChains], std::uint32_t key0,
                      std::uint32_t key1) {
  Round<a>(x0, x1);
  Round<b>(x0, x1);
  Round<c>(x0, x1);
  Round<d>(x0, x1);
  Inject(x0, x1, key0, key1);
}

void Blocks(Key key, std::uint32_t x0, std::uint32_t step, std::uint32_t x1, std::size_t count,
            std::uint32_t* first, std::uint32_t* second) {
  const D32 d;
  const std::size_t lanes = hn::Lanes(d), batch = lanes * kChains;
  const std::uint32_t k0 = key.first, k1 = key.second, k2 = k0 ^ k1 ^ kParity;
  const V32 iota = hn::Iota(d, 0), steps = hn::Mul(iota, hn::Set(d, step));
  for (std::size_t done = 0; done < count; done += batch) {
    V32 a[kChains], b[kChains];
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      const auto at = static_cast<std::uint32_t>(done + static_cast<std::size_t>(i) * lanes);
      a[i] = hn::Add(steps, hn::Set(d, x0 + at * step));
      b[i] = hn::Add(iota, hn::Set(d, x1 + at));
    }
    Inject(a, b, k0, k1);
    Group<13, 15, 26, 6>(a, b, k1, k2 + 1);
    Group<17, 29, 16, 24>(a, b, k2, k0 + 2);
    Group<13, 15, 26, 6>(a, b, k0, k1 + 3);
    Group<17, 29, 16, 24>(a, b, k1, k2 + 4);
    Group<13, 15, 26, 6>(a, b, k2, k0 + 5);
    const std::size_t left = count - done;
    const auto store = [&](const V32(&words)[kChains], std::uint32_t* out) HWY_ATTR {
      if (out == nullptr) return;
      std::uint32_t last[kChains * hn::MaxLanes(d)];
      std::uint32_t* const to = left >= batch ? out + done : last;
#pragma GCC unroll 16
      for (int i = 0; i < kChains; ++i)
        hn::StoreU(words[i], d, to + static_cast<std::size_t>(i) * lanes);
      if (left < batch) std::memcpy(out + done, last, left * sizeof *out);
    };
    store(a, first);
    store(b, second);
  }
}

template <std::size_t n>
HWY_INLINE VF32 Horner(const float (&coefficients)[n], VF32 x) {
  VF32 sum = Constant(coefficients[0]);
  for (std::size_t k = 1; k < n; ++k) sum = Fma<true>(sum, x, Constant(coefficients[k]));
  return sum;
}

HWY_INLINE VF32 NormalOf(VF32 u) {
  const VF32 x = hn::Mul(u, hn::Neg(u));
  const VF32 square = hn::Mul(x, x);
  const VF32 ratio = hn::Div(Horner(kLog1pNumerator, x), Horner(kLog1pDenominator, x));
  const VF32 small =
      hn::Add(x, Fma<true>(Constant(-0.5f), square, hn::Mul(hn::Mul(x, square), ratio)));
  const Several<1> above = {hn::Add(x, Constant(1.0f))};
  Several<1> log;
  torch_cpu::HWY_NAMESPACE::Log<true, 1>(above, log);
  const VF32 w = hn::Neg(hn::IfThenElse(hn::Lt(hn::Abs(x), Constant(kLog1pLimit)), small, log[0]));
  const VF32 near = Horner(kErfInvNear, hn::Sub(w, Constant(2.5f)));
  const VF32 far = Horner(kErfInvFar, hn::Sub(hn::Sqrt(w), Constant(3.0f)));
  const VF32 p = hn::IfThenElse(hn::Lt(w, Constant(kErfInvLimit)), near, far);
  return hn::Mul(Constant(kSqrtTwo), hn::Mul(p, u));
}

void NormalOfUniform(const float* u, std::size_t count, float* out) {
  const DF32 df;
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(NormalOf(hn::LoadU(df, u + i)), df, out + i);
  if (i == count) return;
  float in[hn::MaxLanes(df)] = {}, last[hn::MaxLanes(df)];
  std::memcpy(in, u + i, (count - i) * sizeof *u);
  hn::StoreU(NormalOf(hn::LoadU(df, in)), df, last);
  std::memcpy(out + i, last, (count - i) * sizeof *out);
}

constexpr Kernels kVector{.target = HWY_TARGET == HWY_SSE4   ? "sse4"
                                    : HWY_TARGET == HWY_AVX2 ? "avx2"
                                    : HWY_TARGET == HWY_AVX3 ? "avx512"
                                                             : "neon",
                          .blocks = Blocks,
                          .normal_of_uniform = NormalOfUniform};

const Kernels& VectorKernels() { return kVector; }

}  // namespace weightinit::jax_threefry::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

#if HWY_ONCE
#include "lib/source/kernels/available.h"

namespace weightinit::jax_threefry {

std::span<const Kernels* const> AllKernels() {
  static const kernels::Available<Kernels> available = [] {
    kernels::Available<Kernels> tables;
    tables.Add(ScalarKernels());
#if HWY_TARGETS & HWY_NEON
    tables.Add(N_NEON::VectorKernels());
#endif
#if HWY_TARGETS & HWY_SSE4
    tables.Add(N_SSE4::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX2
    tables.Add(N_AVX2::VectorKernels());
#endif
#if HWY_TARGETS & HWY_AVX3
    tables.Add(N_AVX3::VectorKernels());
#endif
    return tables;
  }();
  return available.All();
}

const Kernels& BestKernels() {
  static const Kernels& best = kernels::LikeBest(AllKernels());
  return best;
}

}  // namespace weightinit::jax_threefry
#endif  // HWY_ONCE
