// Rules as compiled matchers.
#ifndef WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
#define WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/recipe/scale_expression.h"
#include "weightinit/recipe.h"

namespace re2 {
class RE2;
}

namespace weightinit {

// RE2 runs in time linear in the name; its program is bounded. Errors: INVALID_ARGUMENT at `field`.
absl::StatusOr<std::unique_ptr<re2::RE2>> CompileRegex(std::string_view regex,
                                                       std::string_view field);

// One rule: its regex, its expression, the names in its view. A compiled regex may take a megabyte,
// so rules are compiled a few at a time.
//
// Not thread-safe.
class RuleMatcher {
 public:
  // Errors: INVALID_ARGUMENT below `path` for a rule that cannot be followed.
  static absl::StatusOr<RuleMatcher> Create(const Rule& rule, const Constants& constants,
                                            const std::string& path);

  RuleMatcher(RuleMatcher&&) noexcept;
  RuleMatcher& operator=(RuleMatcher&&) noexcept;
  ~RuleMatcher();

  bool MatchesName(std::string_view canonical_name) const;
  bool MatchesModule(std::string_view module) const;

  // Size of the compiled regex, in RE2's instructions.
  int program_size() const;
  const re2::RE2* regex() const { return regex_.get(); }

  // What the rule's scale and view come to for one tensor.
  struct Made {
    std::optional<double> scale;
    OptionalView view;
  };
  // REQUIRES: MatchesName(canonical_name). Errors: INVALID_ARGUMENT below the rule's path.
  absl::StatusOr<Made> MakeFor(const std::string& canonical_name);

 private:
  explicit RuleMatcher(const Rule& rule, std::string path);
  absl::Status Compile(const Constants& constants);

  const Rule* rule_;
  std::string path_;
  std::unique_ptr<re2::RE2> regex_;  // null: any name
  std::vector<int> groups_;          // indices of the named groups, in the order of their names
  std::vector<std::string> group_names_;
  std::optional<ScaleExpression> scale_;
  bool rewrites_ = false;  // the view has names with a backslash
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_RULE_MATCHER_H_
