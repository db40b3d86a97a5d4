// Recipe → specs: canonical names, the first rule that matches, the proof of coverage.
#include <algorithm>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "lib/base/catch_all.h"
#include "lib/base/text.h"
#include "lib/recipe/paths.h"
#include "lib/recipe/rule_matcher.h"
#include "weightinit/fans.h"
#include "weightinit/recipe.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

constexpr absl::StatusCode kUnimplemented = absl::StatusCode::kUnimplemented;

absl::Status CheckRecipe(const Recipe& recipe) {
  if (!std::holds_alternative<PhiloxV1>(recipe.generator)) {
    return FieldError("generator",
                      std::string(Name(recipe.generator)) +
                          " is not supported by this version; allowed: philox_v1",
                      kUnimplemented);
  }
  if (!recipe.constants.empty()) {
    return FieldError("constants",
                      "scale expressions, which alone could name them, are not supported by this "
                      "version; allowed: none",
                      kUnimplemented);
  }
  if (recipe.has_draws)
    return FieldError("draws", std::string(Name(recipe.generator)) +
                                   " draws each tensor on its own; allowed: no draws, which only "
                                   "replay generators have an order of");
  return absl::OkStatus();
}

absl::Status CheckSpec(const TensorSpec& spec, const std::string& path) {
  if (spec.has_view)
    return FieldError(path + ".view", "views are not supported by this version", kUnimplemented);
  if (!IsValidUtf8(spec.name))
    return FieldError(path + ".name", Quote(spec.name) + " is not valid UTF-8");
  if (spec.draw_name.has_value() && !IsValidUtf8(*spec.draw_name)) {
    return FieldError(path + ".draw_name", Quote(*spec.draw_name) + " is not valid UTF-8");
  }
  if (spec.draw_name.has_value() && spec.subsequence.has_value()) {
    return FieldError(path + ".subsequence",
                      "given together with draw_name; allowed: one of the two");
  }
  return absl::OkStatus();
}

// Canonical name → index, refusing two tensors of one name.
absl::StatusOr<std::unordered_map<std::string, int>> IndexNames(const Recipe& recipe) {
  std::unordered_map<std::string, int> index;
  for (std::size_t i = 0; i < recipe.tensors.size(); ++i) {
    const absl::Status status = CheckSpec(recipe.tensors[i], TensorPath(i));
    if (!status.ok()) return status;
    const auto [earlier, inserted] =
        index.emplace(CanonicalName(recipe.tensors[i].name), static_cast<int>(i));
    if (!inserted) {
      return FieldError(TensorPath(i) + ".name",
                        Quote(recipe.tensors[i].name) + " means the same tensor as " +
                            TensorPath(static_cast<std::size_t>(earlier->second)) +
                            "; allowed: distinct names");
    }
  }
  return index;
}

// Rule by rule, so that one compiled expression is held at a time.
absl::StatusOr<Coverage> MatchRules(const Recipe& recipe, const std::function<bool()>& cancelled) {
  Coverage coverage;
  coverage.rule_of_tensor.resize(recipe.tensors.size());
  std::vector<std::string> names;
  names.reserve(recipe.tensors.size());
  for (const TensorSpec& spec : recipe.tensors) names.push_back(CanonicalName(spec.name));
  std::map<int, Coverage::Overlap> overlap_of_tensor;
  for (std::size_t k = 0; k < recipe.rules.size(); ++k) {
    if (cancelled && cancelled()) return absl::CancelledError("cancelled while matching rules");
    auto matcher = RuleMatcher::Create(recipe.rules[k], RulePath(k));
    if (!matcher.ok()) return matcher.status();
    const int rule = static_cast<int>(k);
    bool idle = true;
    for (std::size_t i = 0; i < recipe.tensors.size(); ++i) {
      const TensorSpec& spec = recipe.tensors[i];
      if (spec.init.has_value() || !matcher->Matches(names[i], spec.module)) continue;
      idle = false;
      std::optional<int>& winner = coverage.rule_of_tensor[i];
      if (!winner.has_value()) {
        winner = rule;
        continue;
      }
      const int tensor = static_cast<int>(i);
      Coverage::Overlap& overlap =
          overlap_of_tensor.try_emplace(tensor, Coverage::Overlap{tensor, *winner, {}, 0})
              .first->second;
      if (overlap.others.size() < Coverage::kMostOthers) overlap.others.push_back(rule);
      ++overlap.other_count;
    }
    if (idle) coverage.idle_rules.push_back(rule);
  }
  for (auto& [tensor, overlap] : overlap_of_tensor) coverage.overlaps.push_back(std::move(overlap));
  for (std::size_t i = 0; i < recipe.tensors.size(); ++i) {
    if (recipe.tensors[i].init.has_value()) continue;
    const std::optional<int> rule = coverage.rule_of_tensor[i];
    const int tensor = static_cast<int>(i);
    if (!rule.has_value()) {
      coverage.uncovered.push_back(tensor);
    } else if (recipe.rules[static_cast<std::size_t>(*rule)].skip) {
      coverage.skipped.push_back(tensor);
    }
  }
  return coverage;
}

// The proof: every tensor covered, every rule used.
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
               (spec.module.empty() ? "" : " (module " + Quote(spec.module) + ")")});
    }
  }
  if (!recipe.allow_idle) {
    for (const int k : coverage.idle_rules) {
      const Rule& rule = recipe.rules[static_cast<std::size_t>(k)];
      if (rule.may_be_idle) continue;
      std::string what;
      if (rule.name_regex.has_value()) what += "name_regex " + Quote(*rule.name_regex);
      if (rule.module.has_value())
        what += (what.empty() ? "" : " with ") + std::string("module ") + Quote(*rule.module);
      violations.push_back(
          {RulePath(static_cast<std::size_t>(k)),
           what + " matches no tensor; allowed: a rule that is used, may_be_idle, or allow_idle"});
    }
  }
  if (violations.empty()) return absl::OkStatus();
  if (violations.size() == 1)
    return FieldError(violations[0].field, violations[0].description,
                      absl::StatusCode::kFailedPrecondition);
  return FieldErrors("the rules do not cover the model exactly:", violations,
                     absl::StatusCode::kFailedPrecondition);
}

const FanGeometry* GeometryOf(const Recipe& recipe, const Coverage& coverage, std::size_t tensor) {
  if (recipe.tensors[tensor].fan.has_value()) return &*recipe.tensors[tensor].fan;
  const auto rule = coverage.rule_of_tensor[tensor];
  if (rule.has_value() && recipe.rules[static_cast<std::size_t>(*rule)].fan.has_value())
    return &*recipe.rules[static_cast<std::size_t>(*rule)].fan;
  return nullptr;
}

// fans_of, replaced by the sibling's fans as numbers: a spec stands on its own.
absl::StatusOr<FanGeometry> FansOfSibling(const Recipe& recipe, const Coverage& coverage,
                                          const std::unordered_map<std::string, int>& index,
                                          std::size_t tensor, const FanGeometry& geometry,
                                          const std::string& path) {
  FanGeometry others = geometry;
  others.fans_of.clear();
  if (others != FanGeometry{})
    return FieldError(
        path, "given together with another fan geometry; allowed: one way to give the fans");
  const std::string name = CanonicalName(recipe.tensors[tensor].name);
  const std::size_t dot = name.rfind('.');
  const std::string sibling_name =
      (dot == std::string::npos ? "" : name.substr(0, dot + 1)) + geometry.fans_of;
  const auto sibling = index.find(sibling_name);
  if (sibling == index.end()) {
    return FieldError(path, Quote(geometry.fans_of) + ": " + Quote(name) + " has no sibling " +
                                Quote(sibling_name) + " in the recipe");
  }
  const auto i = static_cast<std::size_t>(sibling->second);
  const FanGeometry* sibling_geometry = GeometryOf(recipe, coverage, i);
  if (sibling_geometry != nullptr && !sibling_geometry->fans_of.empty()) {
    return FieldError(path,
                      "the fans of " + Quote(sibling_name) +
                          " are another tensor's too; allowed: a tensor with fans of its own");
  }
  auto fans = ComputeFans(recipe.tensors[i].shape,
                          sibling_geometry == nullptr ? FanGeometry{} : *sibling_geometry,
                          TensorPath(i) + ".shape", path);
  if (!fans.ok()) return fans.status();
  // A fan that the sibling does not know stays unknown here too.
  FanGeometry resolved;
  if (fans->in > 0 || fans->out == 0) resolved.fan_in = fans->in;
  if (fans->out > 0) resolved.fan_out = fans->out;
  return resolved;
}

absl::StatusOr<Expansion> ExpandRecipe(const Recipe& recipe,
                                       const std::function<bool()>& cancelled) {
  absl::Status status = CheckRecipe(recipe);
  if (!status.ok()) return status;
  auto index = IndexNames(recipe);
  if (!index.ok()) return index.status();
  auto matched = MatchRules(recipe, cancelled);
  if (!matched.ok()) return matched.status();

  Expansion expansion;
  expansion.coverage = *std::move(matched);
  const Coverage& coverage = expansion.coverage;
  status = CheckCoverage(recipe, coverage);
  if (!status.ok()) return status;

  expansion.recipe.generator = recipe.generator;
  expansion.recipe.seed = recipe.seed;
  expansion.recipe.default_dtype = recipe.default_dtype;
  expansion.recipe.renames = recipe.renames;
  for (std::size_t i = 0; i < recipe.tensors.size(); ++i) {
    TensorSpec spec = recipe.tensors[i];
    const auto rule_index = coverage.rule_of_tensor[i];
    const Rule* rule =
        rule_index.has_value() ? &recipe.rules[static_cast<std::size_t>(*rule_index)] : nullptr;
    if (rule == nullptr && !spec.init.has_value()) continue;  // uncovered, and allowed
    if (rule != nullptr && rule->skip) continue;
    spec.name = CanonicalName(spec.name);
    spec.dtype = spec.dtype.value_or(recipe.default_dtype);
    if (!spec.init.has_value()) spec.init = rule->init;
    if (!spec.seed.has_value())
      spec.seed = rule != nullptr && rule->seed.has_value() ? *rule->seed : recipe.seed;
    const FanGeometry* geometry = GeometryOf(recipe, coverage, i);
    if (geometry != nullptr && !geometry->fans_of.empty()) {
      const std::string path =
          (spec.fan.has_value() ? TensorPath(i) : RulePath(static_cast<std::size_t>(*rule_index))) +
          ".fan.fans_of";
      auto fans = FansOfSibling(recipe, coverage, *index, i, *geometry, path);
      if (!fans.ok()) return fans.status();
      spec.fan = *fans;
    } else if (geometry != nullptr) {
      spec.fan = *geometry;
    }
    expansion.recipe.tensors.push_back(std::move(spec));
    expansion.origin.push_back(static_cast<int>(i));
  }
  return expansion;
}

}  // namespace

absl::StatusOr<Expansion> Expand(const Recipe& recipe, const std::function<bool()>& cancelled) {
  return CatchAll([&] { return ExpandRecipe(recipe, cancelled); });
}

}  // namespace weightinit
