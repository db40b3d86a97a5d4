#include "lib/recipe/match_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/recipe/idle_hint.h"
#include "lib/recipe/paths.h"
#include "lib/recipe/rule_batch.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// How often a long match asks whether it is cancelled, in tensors.
constexpr std::size_t kTensorsPerQuestion = 4096;
// Nobody reads more, and a recipe may have as many idle rules as tensors.
constexpr std::size_t kMostHints = 20;

class Matcher {
 public:
  Matcher(const Recipe& recipe, std::span<const std::string> names,
          const std::function<bool()>& cancelled)
      : recipe_(recipe), names_(names), cancelled_(cancelled), used_(recipe.rules.size(), false) {
    matching_.coverage.rule_of_tensor.resize(names.size());
    matching_.made.resize(names.size());
  }

  absl::StatusOr<Matching> Match() {
    for (std::size_t first = 0; first < recipe_.rules.size();) {
      auto batch = RuleBatch::Create(recipe_.rules, first, recipe_.constants, cancelled_);
      if (!batch.ok()) return batch.status();
      const absl::Status status = MatchBatch(*batch, static_cast<int>(first));
      if (!status.ok()) return status;
      first += batch->size();
    }
    Collect();
    return std::move(matching_);
  }

 private:
  absl::Status MatchBatch(RuleBatch& batch, int first) {
    std::vector<int> matched;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const TensorSpec& spec = recipe_.tensors[i];
      if (SpeaksForItself(spec)) continue;
      if (i % kTensorsPerQuestion == kTensorsPerQuestion - 1 && cancelled_ && cancelled_())
        return absl::CancelledError("cancelled while matching rules");
      batch.Match(names_[i], spec.module, matched);
      for (const int index : matched) {
        const int rule = first + index;
        used_[static_cast<std::size_t>(rule)] = true;
        std::optional<int>& winner = matching_.coverage.rule_of_tensor[i];
        if (winner.has_value()) {
          AddOverlap(static_cast<int>(i), *winner, rule);
          continue;
        }
        winner = rule;
        auto made = batch[static_cast<std::size_t>(index)].MakeFor(names_[i]);
        if (!made.ok()) return made.status();
        matching_.made[i] = *std::move(made);
      }
    }
    return absl::OkStatus();
  }

  void AddOverlap(int tensor, int winner, int other) {
    Coverage::Overlap& overlap =
        overlap_of_tensor_.try_emplace(tensor, Coverage::Overlap{tensor, winner, {}, 0})
            .first->second;
    if (overlap.others.size() < Coverage::kMostOthers) overlap.others.push_back(other);
    ++overlap.other_count;
  }

  void Collect() {
    Coverage& coverage = matching_.coverage;
    for (auto& [tensor, overlap] : overlap_of_tensor_)
      coverage.overlaps.push_back(std::move(overlap));
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (SpeaksForItself(recipe_.tensors[i])) continue;
      const std::optional<int> rule = coverage.rule_of_tensor[i];
      if (!rule.has_value()) {
        if (NeedsNoRule(recipe_.tensors[i])) continue;
        coverage.uncovered.push_back(static_cast<int>(i));
      } else if (recipe_.rules[static_cast<std::size_t>(*rule)].skip) {
        coverage.skipped.push_back(static_cast<int>(i));
      }
    }
    std::optional<NearMatches> near;
    std::size_t hints = 0;
    for (std::size_t k = 0; k < used_.size(); ++k) {
      if (used_[k]) continue;
      coverage.idle_rules.push_back(static_cast<int>(k));
      std::string& hint = coverage.idle_hints.emplace_back();
      if (recipe_.rules[k].may_be_idle || ++hints > kMostHints) continue;
      if (!near.has_value()) near.emplace(recipe_, names_);
      hint = near->HintFor(recipe_.rules[k]);
    }
  }

  const Recipe& recipe_;
  std::span<const std::string> names_;
  const std::function<bool()>& cancelled_;
  std::vector<bool> used_;  // per rule
  std::map<int, Coverage::Overlap> overlap_of_tensor_;
  Matching matching_;
};

}  // namespace

bool SpeaksForItself(const TensorSpec& spec) { return spec.init.has_value() || IsTied(spec.view); }

bool NeedsNoRule(const TensorSpec& spec) {
  return SpeaksForItself(spec) || InitOfEveryPart(spec.view) != nullptr;
}

absl::StatusOr<Matching> MatchRules(const Recipe& recipe, std::span<const std::string> names,
                                    const std::function<bool()>& cancelled) {
  return Matcher(recipe, names, cancelled).Match();
}

std::string Describe(const Rule& rule) {
  std::string what;
  if (rule.name_regex.has_value()) what += "name_regex " + Quote(*rule.name_regex);
  if (rule.module.has_value())
    what += (what.empty() ? "" : " with ") + std::string("module ") + Quote(*rule.module);
  return what;
}

absl::Status CheckCoverage(const Recipe& recipe, const Coverage& coverage) {
  std::vector<FieldViolation> violations;
  if (!recipe.allow_uncovered) {
    for (const int tensor : coverage.uncovered) {
      const TensorSpec& spec = recipe.tensors[static_cast<std::size_t>(tensor)];
      violations.push_back(
          {TensorPath(static_cast<std::size_t>(tensor)),
           Quote(spec.name) +
               (recipe.rules.empty() ? " has no init and there are no rules"
                                     : " has no init and no rule matches it") +
               (spec.module.empty() ? "" : " (module " + Quote(spec.module) + ")") +
               "; allowed: an init, a rule that matches, or allow_uncovered"});
    }
  }
  if (!recipe.allow_idle) {
    for (std::size_t i = 0; i < coverage.idle_rules.size(); ++i) {
      const auto k = static_cast<std::size_t>(coverage.idle_rules[i]);
      const Rule& rule = recipe.rules[k];
      if (rule.may_be_idle) continue;
      const std::string& hint = coverage.idle_hints[i];
      violations.push_back({RulePath(k), Describe(rule) + " matches no tensor" +
                                             (hint.empty() ? "" : " (" + hint + ")") +
                                             "; allowed: a rule that is used, may_be_idle, or "
                                             "allow_idle"});
    }
  }
  if (violations.empty()) return absl::OkStatus();
  if (violations.size() == 1)
    return FieldError(violations[0].field, violations[0].description,
                      absl::StatusCode::kFailedPrecondition);
  return FieldErrors("the rules do not cover the model exactly:", violations,
                     absl::StatusCode::kFailedPrecondition);
}

}  // namespace weightinit
