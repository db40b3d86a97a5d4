// The one place that knows which parameters each method has, in what order and with which defaults.
// Everything that reads, prints or describes initializers visits them through here.
#ifndef WEIGHTINIT_LIB_RECIPE_PARAMETERS_H_
#define WEIGHTINIT_LIB_RECIPE_PARAMETERS_H_

#include <string_view>

#include "weightinit/initializer.h"

namespace weightinit {

// Calls visit(name, member) for each parameter. `T` is a method, const or not.
template <typename T, typename Visitor>
void VisitParameters(T& method, Visitor&& visit) {
  using Method = std::remove_const_t<T>;
  if constexpr (std::is_same_v<Method, Constant>) {
    visit("value", method.value);
  } else if constexpr (std::is_same_v<Method, Eye> || std::is_same_v<Method, Orthogonal> ||
                       std::is_same_v<Method, DeltaOrthogonal>) {
    visit("gain", method.gain);
  } else if constexpr (std::is_same_v<Method, Dirac>) {
    visit("groups", method.groups);
  } else if constexpr (std::is_same_v<Method, Uniform>) {
    visit("low", method.low);
    visit("high", method.high);
  } else if constexpr (std::is_same_v<Method, Normal>) {
    visit("mean", method.mean);
    visit("std", method.std);
  } else if constexpr (std::is_same_v<Method, TruncatedNormal>) {
    visit("mean", method.mean);
    visit("std", method.std);
    visit("low", method.low);
    visit("high", method.high);
    visit("bounds", method.bounds);
    visit("correct_variance", method.correct_variance);
  } else if constexpr (std::is_same_v<Method, XavierUniform> ||
                       std::is_same_v<Method, XavierNormal>) {
    visit("gain", method.gain);
    visit("nonlinearity", method.nonlinearity);
    visit("negative_slope", method.negative_slope);
  } else if constexpr (std::is_same_v<Method, KaimingUniform> ||
                       std::is_same_v<Method, KaimingNormal>) {
    visit("mode", method.mode);
    visit("nonlinearity", method.nonlinearity);
    visit("negative_slope", method.negative_slope);
  } else if constexpr (std::is_same_v<Method, VarianceScaling>) {
    visit("scale", method.scale);
    visit("mode", method.mode);
    visit("distribution", method.distribution);
  } else if constexpr (std::is_same_v<Method, Sparse>) {
    visit("sparsity", method.sparsity);
    visit("std", method.std);
  }
}

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_PARAMETERS_H_
