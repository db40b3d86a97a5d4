// The expressions of Rule::scale: numbers, + - * / ^ ( ), sqrt, log, exp, min, max, constants and
// the named groups of the rule's regex.
#ifndef WEIGHTINIT_LIB_RECIPE_SCALE_EXPRESSION_H_
#define WEIGHTINIT_LIB_RECIPE_SCALE_EXPRESSION_H_

#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weightinit {

using Constants = std::map<std::string, double>;

// Errors: INVALID_ARGUMENT at "constants" for a name that no expression can say, or a value that is
// not finite.
absl::Status CheckConstants(const Constants& constants);

// One compiled expression. Computed in binary64 by + − × ÷ √ alone, in the order that the
// precedence gives, so the value is the same on every machine: log and exp are those of
// lib/base/special_functions.h; x^n multiplies for a whole n, takes a root for half of one, and is
// exp(n·log x) otherwise.
//
// Not thread-safe.
class ScaleExpression {
 public:
  static constexpr std::size_t kMaxBytes = 1024;
  static constexpr int kMaxDepth = 32;

  // `groups` are the names that stand for captured numbers. Errors: INVALID_ARGUMENT at `field`.
  static absl::StatusOr<ScaleExpression> Create(std::string_view text, const Constants& constants,
                                                std::span<const std::string> groups,
                                                std::string_view field);
  ScaleExpression(ScaleExpression&&) noexcept;
  ScaleExpression& operator=(ScaleExpression&&) noexcept;
  ~ScaleExpression();

  // Those of `groups` that the expression names, as indices.
  const std::vector<std::size_t>& used_groups() const { return used_groups_; }

  // The value with these numbers for the used groups, finite and ≥ 0. Errors: INVALID_ARGUMENT
  // with the reason alone ("division by zero"): the caller knows the field and the tensor.
  absl::StatusOr<double> Evaluate(std::span<const double> values);

 private:
  class Impl;
  ScaleExpression(std::unique_ptr<Impl> impl, std::vector<std::size_t> used_groups);

  std::unique_ptr<Impl> impl_;
  std::vector<std::size_t> used_groups_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_SCALE_EXPRESSION_H_
