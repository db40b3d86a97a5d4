// Several rules matched at once.
#ifndef WEIGHTINIT_LIB_RECIPE_RULE_BATCH_H_
#define WEIGHTINIT_LIB_RECIPE_RULE_BATCH_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/recipe/rule_matcher.h"
#include "weightinit/recipe.h"

namespace weightinit {

// Consecutive rules, as many as a bounded amount of memory compiles. One pass over a name finds all
// that match it, which for hundreds of rules is tens of times faster than one pass for each.
//
// Not thread-safe.
class RuleBatch {
 public:
  // Compiles rules from `first` on. Errors: those of RuleMatcher::Create; CANCELLED.
  static absl::StatusOr<RuleBatch> Create(std::span<const Rule> rules, std::size_t first,
                                          const Constants& constants,
                                          const std::function<bool()>& cancelled);

  RuleBatch(RuleBatch&&) noexcept;
  RuleBatch& operator=(RuleBatch&&) noexcept;
  ~RuleBatch();

  std::size_t size() const { return matchers_.size(); }
  RuleMatcher& operator[](std::size_t i) { return matchers_[i]; }

  // The rules whose name_regex and module match, ascending, as indices into the batch.
  void Match(const std::string& canonical_name, std::string_view module,
             std::vector<int>& matched) const;

 private:
  class Set;
  RuleBatch();

  std::vector<RuleMatcher> matchers_;
  std::vector<int> any_name_;       // rules without a regex
  std::vector<int> rule_of_regex_;  // per regex of the set
  std::unique_ptr<Set> set_;        // null: rule by rule
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_RULE_BATCH_H_
