// What a rule that matches nothing was probably meant to match.
#ifndef WEIGHTINIT_LIB_RECIPE_IDLE_HINT_H_
#define WEIGHTINIT_LIB_RECIPE_IDLE_HINT_H_

#include <span>
#include <string>
#include <vector>

#include "lib/base/text.h"
#include "weightinit/recipe.h"

namespace weightinit {

// Names and module types of a model, without what differs by numbers alone.
class NearMatches {
 public:
  // `names` are canonical, one for each of the recipe's tensors; both must outlive this.
  NearMatches(const Recipe& recipe, std::span<const std::string> names);

  // Why no tensor matches the rule, and what is near: "nearest names: "h.0.mlp.c_fc.weight"".
  // Empty: nothing is near.
  std::string HintFor(const Rule& rule) const;

 private:
  const Recipe& recipe_;
  std::span<const std::string> names_;
  std::vector<std::string> patterns_;    // distinct names with every number as 0
  std::vector<std::size_t> example_of_;  // per pattern the first tensor
  std::vector<std::string> modules_;     // distinct
};

// A regex as the kind of name that it is meant for: escapes undone, \d+ and numbers as 0, the first
// of several alternatives, what repeats anything left out.
struct LikelyName {
  std::string text;
  OpenEnds open;  // where anything may stand before or behind it
};
LikelyName LikelyNameOf(std::string_view regex);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_IDLE_HINT_H_
