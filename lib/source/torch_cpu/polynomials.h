// Numbers of torch's AVX2 normals: the Cephes logarithm, sine and cosine for binary32 (Moshier), as
// aten/src/ATen/native/cpu/avx_mathfun.h has them. Highest power first.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_POLYNOMIALS_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_POLYNOMIALS_H_

#include <cstdint>

namespace weightinit::torch_cpu {

inline constexpr float kTwoPi = 0x1.921fb6p2f;

// The mantissa lies in [√½, √2).
inline constexpr std::uint32_t kLogLowBits = 0x3F3504F3;
inline constexpr float kLog[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                 -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
inline constexpr float kLn2Low = -2.12194440e-4f, kLn2High = 0.693359375f;

inline constexpr float kFourOverPi = 1.27323954473516f;
// π/4 in three parts.
inline constexpr float kQuarter[] = {-0.78515625f, -2.4187564849853515625e-4f,
                                     -3.77489497744594108e-8f};
inline constexpr float kCosine[] = {2.443315711809948e-5f, -1.388731625493765e-3f,
                                    4.166664568298827e-2f};
inline constexpr float kSine[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_POLYNOMIALS_H_
