// Kernels of JAX_THREEFRY: blocks of consecutive counters, and normals from bits.
//
// Every target writes the same bytes; fused multiply-adds are computed where the processor has
// none.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_SOURCE_JAX_THREEFRY_KERNELS_H_
#define WEIGHTINIT_SOURCE_JAX_THREEFRY_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/base/threefry.h"

namespace weightinit::jax_threefry {

struct Kernels {
  std::string_view target;

  // Block(key, x0 + i·step, x1 + i) of `count` i, each counter mod 2^32: its words, or null.
  void (*blocks)(Key key, std::uint32_t x0, std::uint32_t step, std::uint32_t x1, std::size_t count,
                 std::uint32_t* first, std::uint32_t* second);

  // √2·erfinv(u) as XLA computes it on CPUs with fused multiply-adds (Giles 2010), of -1 < u < 1.
  void (*normal_of_uniform)(const float* u, std::size_t count, float* out);
};

// Every target that this processor can run, "scalar" first, the best last.
std::span<const Kernels* const> AllKernels();
const Kernels& BestKernels();
const Kernels& ScalarKernels();

// Coefficients, highest power first. -------------------------------------------

// XLA's log1p for |x| < √2 - 1: x + (-½x² + x³·N(x)/D(x)).
inline constexpr float kLog1pLimit = 0.41421356237309504f;
inline constexpr float kLog1pNumerator[] = {
    4.5270000862445199635215e-5f, 0.49854102823193375972212f, 6.5787325942061044846969f,
    29.911919328553073277375f,    60.949667980987787057556f,  57.112963590585538103336f,
    20.039553499201281259648f};
inline constexpr float kLog1pDenominator[] = {1.0f,
                                              15.062909083469192043167f,
                                              83.047565967967209469434f,
                                              221.76239823732865464394f,
                                              309.09872225312059774938f,
                                              216.42788614495947685003f,
                                              60.118660497603843919306f};

// erfinv of w = -log1p(-u²): below 5 in w - 2.5, from there on in √w - 3.
inline constexpr float kErfInvNear[] = {2.81022636e-08f,  3.43273939e-07f, -3.5233877e-06f,
                                        -4.39150654e-06f, 2.1858087e-4f,   -1.25372503e-3f,
                                        -4.17768164e-3f,  0.246640727f,    1.50140941f};
inline constexpr float kErfInvFar[] = {-2.00214257e-4f, 1.00950558e-4f, 1.34934322e-3f,
                                       -3.67342844e-3f, 5.73950773e-3f, -7.6224613e-3f,
                                       9.43887047e-3f,  1.00167406f,    2.83297682f};
inline constexpr float kErfInvLimit = 5.0f;
inline constexpr float kSqrtTwo = 0x1.6a09e6p0f;

}  // namespace weightinit::jax_threefry

#endif  // WEIGHTINIT_SOURCE_JAX_THREEFRY_KERNELS_H_
