// What distributions have in common.
#ifndef WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
#define WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weightinit/plan.h"

namespace weightinit {

// What values of this distribution show, over a whole tensor of this shape with at least one
// element.
Expected ExpectedOf(const Distribution& distribution, std::span<const std::int64_t> shape);

// What rounding to the dtype would do to such values: overflow, saturation, underflow.
std::vector<std::string> RangeWarnings(const Distribution& distribution, const Expected& expected,
                                       DType dtype);

// Binary32 size of the matrix that must be made whole for any part of it; 0 for methods whose
// elements stand alone.
std::int64_t MatrixBytes(const Distribution& distribution);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
