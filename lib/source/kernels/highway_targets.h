// Which of Highway's targets are compiled. Include before any header of Highway.
//
// Only those whose kernels differ in speed: SSSE3 and the finer steps of AVX-512 add compile time
// alone. The portable reference is our own (scalar.cc); Highway's SCALAR and EMU128 are what it
// compiles for want of a baseline, and our code leaves them empty.
#ifndef WEIGHTINIT_SOURCE_KERNELS_HIGHWAY_TARGETS_H_
#define WEIGHTINIT_SOURCE_KERNELS_HIGHWAY_TARGETS_H_

#define HWY_DISABLED_TARGETS \
  (~(HWY_SCALAR | HWY_EMU128 | HWY_SSE4 | HWY_AVX2 | HWY_AVX3 | HWY_NEON))

#endif  // WEIGHTINIT_SOURCE_KERNELS_HIGHWAY_TARGETS_H_
