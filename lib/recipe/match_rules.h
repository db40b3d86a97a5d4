// Which rule wins for which tensor, and the proof that the rules cover the model.
#ifndef WEIGHTINIT_LIB_RECIPE_MATCH_RULES_H_
#define WEIGHTINIT_LIB_RECIPE_MATCH_RULES_H_

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/recipe/rule_matcher.h"
#include "weightinit/recipe.h"

namespace weightinit {

struct Matching {
  Coverage coverage;
  std::vector<RuleMatcher::Made> made;  // per tensor, by the rule that won
};

// Whether the tensor takes no rule: it has an init of its own, or a view that ties it.
bool SpeaksForItself(const TensorSpec& spec);
// Whether the tensor needs no rule: as above, or each part of its view has an init of its own.
bool NeedsNoRule(const TensorSpec& spec);

// `names` are the canonical names of the recipe's tensors. Errors: INVALID_ARGUMENT for a rule that
// cannot be followed; CANCELLED.
absl::StatusOr<Matching> MatchRules(const Recipe& recipe, std::span<const std::string> names,
                                    const std::function<bool()>& cancelled);

// Errors: FAILED_PRECONDITION for what is uncovered or idle and not allowed to be.
absl::Status CheckCoverage(const Recipe& recipe, const Coverage& coverage);

// "name_regex "…" with module "…""
std::string Describe(const Rule& rule);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_MATCH_RULES_H_
