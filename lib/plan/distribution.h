// What distributions have in common.
#ifndef WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
#define WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weightinit/plan.h"

namespace weightinit {

// Words reach 7.5σ; with this much room no value overflows binary32.
inline constexpr double kReachableSigmas = 8;

// The standard normal distribution cut at [low, high]: what words are mapped by, and moments.
struct Truncation {
  double below_low, above_high, between;  // probabilities
  double mean, std;
};

// Truncations once computed: the tensors of a model share a handful, and each takes as long as all
// else about a tensor.
class TruncationCache {
 public:
  const Truncation& Of(double low_sigma, double high_sigma);

 private:
  std::map<std::pair<double, double>, Truncation> made_;
};

// Numbers (plan.h), with a cache.
std::vector<std::pair<std::string, double>> Numbers(const Distribution& distribution,
                                                    TruncationCache& cache);

// What values of this distribution show, over a whole tensor of this shape with at least one
// element.
Expected ExpectedOf(const Distribution& distribution, std::span<const std::int64_t> shape,
                    TruncationCache& cache);

// What rounding to the dtype would do to such values: overflow, saturation, underflow.
std::vector<std::string> RangeWarnings(const Distribution& distribution, const Expected& expected,
                                       DType dtype);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_DISTRIBUTION_H_
