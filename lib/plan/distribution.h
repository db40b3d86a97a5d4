// What distributions have in common.
#ifndef WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
#define WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "weightinit/plan.h"

namespace weightinit {

// Words reach 7.5σ; with this much room no value overflows binary32.
inline constexpr double kReachableSigmas = 8;

// What values of this distribution show, over a whole tensor of this shape with at least one
// element.
Expected ExpectedOf(const Distribution& distribution, std::span<const std::int64_t> shape);

// What rounding to the dtype would do to such values: overflow, saturation, underflow.
std::vector<std::string> RangeWarnings(const Distribution& distribution, const Expected& expected,
                                       DType dtype);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
