// Sources whose elements stand alone: Philox words through a distribution.
#ifndef WEIGHTINIT_LIB_SOURCE_PHILOX_SOURCE_H_
#define WEIGHTINIT_LIB_SOURCE_PHILOX_SOURCE_H_

#include <memory>

#include "lib/source/kernels/kernels.h"
#include "lib/source/source.h"

namespace weightinit {

inline kernels::Stream StreamOf(const Draw& draw) {
  return {.seed = draw.seed, .subsequence = draw.subsequence};
}

std::unique_ptr<const Source> MakeUniform(const Draw& draw, const UniformOn& uniform);
std::unique_ptr<const Source> MakeNormal(const Draw& draw, const NormalWith& normal);
std::unique_ptr<const Source> MakeTruncatedNormal(const Draw& draw,
                                                  const TruncatedNormalWith& truncated);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_PHILOX_SOURCE_H_
