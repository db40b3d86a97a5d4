// The draws of one tensor, resolved to numbers.
#ifndef WEIGHTINIT_LIB_PLAN_RESOLVE_DRAWS_H_
#define WEIGHTINIT_LIB_PLAN_RESOLVE_DRAWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/layout/view_parts.h"
#include "lib/plan/distribution.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"

namespace weightinit {

// An expanded tensor, and who said what of it: paths for errors, as "tensors[3]" or "rules[2]".
struct DrawsInput {
  const TensorSpec& spec;  // its view is no tie
  std::int64_t num_elements;
  bool fan_of_module;  // spec.fan follows from the module type alone
  std::string path, init_path, fan_path, scale_path, view_path;
};

struct ResolvedDraws {
  std::vector<Draw> draws;
  Layout layout;  // indices count from the first of `draws`
  std::string layout_text;
  std::vector<PartPlan> parts;  // indices likewise; empty for one draw
  std::optional<Fans> fans;
  std::optional<double> gain;
  Expected expected;
  std::string why;
  std::vector<std::string> notes, warnings;
};

// What the tensors of a model share.
struct DrawsContext {
  std::int64_t tiles_left = kMaxViewTiles;  // what views may still use
  TruncationCache truncations;
  const JaxThreefry* jax = nullptr;  // the model's generator, if it is that one
};

// Errors: INVALID_ARGUMENT.
absl::StatusOr<ResolvedDraws> ResolveDraws(const DrawsInput& input, DrawsContext& context);

// Where the name or subsequence of the k-th draw of such a tensor was said.
std::string FieldOfDraw(const TensorSpec& spec, const std::string& path,
                        const std::string& view_path, std::size_t k);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_RESOLVE_DRAWS_H_
