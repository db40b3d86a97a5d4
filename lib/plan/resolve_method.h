// One method on one tensor, resolved to numbers: the only place where the initializers' formulas
// stand.
#ifndef WEIGHTINIT_LIB_PLAN_RESOLVE_METHOD_H_
#define WEIGHTINIT_LIB_PLAN_RESOLVE_METHOD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/plan/distribution.h"
#include "weightinit/dtype.h"
#include "weightinit/fans.h"
#include "weightinit/initializer.h"
#include "weightinit/plan.h"
#include "weightinit/shape.h"

namespace weightinit {

struct MethodInput {
  const Shape& shape;
  DType dtype;
  bool empty;  // no elements: parameters are checked, numbers are not made
  const FanGeometry& geometry;
  std::optional<double> scale;
  TruncationCache& truncations;
  bool as_jax;  // variances and their roots in binary32, as jax.nn.initializers
  // How the fields are called in errors.
  std::string init_field, shape_field, fan_field, dtype_field, scale_field;
};

struct ResolvedMethod {
  Distribution distribution;
  std::optional<Fans> fans;
  std::optional<double> gain;
  std::string why;
  std::vector<std::string> warnings;
};

// Errors: INVALID_ARGUMENT with the field, the value and what is allowed.
absl::StatusOr<ResolvedMethod> ResolveMethod(const Initializer& init, const MethodInput& input);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_RESOLVE_METHOD_H_
