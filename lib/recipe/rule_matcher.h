// Rules as compiled matchers.
#ifndef WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
#define WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "weightinit/recipe.h"

namespace re2 {
class RE2;
}

namespace weightinit {

// RE2 runs in time linear in the name; its program is bounded. Errors: INVALID_ARGUMENT at `field`.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompileRegex(std::string_view regex,
                                                       std::string_view field);

// One rule. The compiled expression may take a megabyte: rules are matched one after the other.
class RuleMatcher {
 public:
  // Errors: INVALID_ARGUMENT or UNIMPLEMENTED below `path` for a rule that cannot be followed.
  static absl::StatusOr<RuleMatcher> Create(const Rule& rule, const std::string& path);

  RuleMatcher(RuleMatcher&&) noexcept;
  RuleMatcher& operator=(RuleMatcher&&) noexcept;
  ~RuleMatcher();

  bool Matches(std::string_view canonical_name, std::string_view module) const;

 private:
  RuleMatcher(std::unique_ptr<re2::RE2> regex, std::optional<std::string> module);

  std::unique_ptr<re2::RE2> regex_;  // null: any name
  std::optional<std::string> module_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
