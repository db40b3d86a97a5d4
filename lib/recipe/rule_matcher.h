// Rules as compiled matchers.
#ifndef WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
#define WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/recipe.h"

namespace re2 {
class RE2;
}

namespace weightinit {

// RE2 runs in time linear in the name; its program is bounded. Errors: INVALID_ARGUMENT at `field`.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompileRegex(std::string_view regex,
                                                       std::string_view field);

class RuleMatcher {
 public:
  // Errors: INVALID_ARGUMENT or UNIMPLEMENTED at "rules[i]…" for a rule that cannot be followed.
  static absl::StatusOr<RuleMatcher> Create(const std::vector<Rule>& rules);

  RuleMatcher(RuleMatcher&&) noexcept;
  RuleMatcher& operator=(RuleMatcher&&) noexcept;
  ~RuleMatcher();

  // Indices of the rules that match, ascending: the first one wins.
  std::vector<int> Matches(std::string_view canonical_name, std::string_view module) const;

 private:
  struct CompiledRule {
    std::unique_ptr<re2::RE2> regex;  // null: any name
    std::optional<std::string> module;
  };
  RuleMatcher() = default;
  std::vector<CompiledRule> rules_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
