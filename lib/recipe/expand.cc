// Recipe → specs: canonical names, the rule that won, fans as numbers.
#include <functional>
#include <utility>

#include "lib/base/catch_all.h"
#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/recipe/match_rules.h"
#include "lib/recipe/paths.h"
#include "lib/recipe/replay_draws.h"
#include "lib/recipe/scale_expression.h"
#include "lib/recipe/sibling_fans.h"
#include "weightinit/recipe.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

absl::Status CheckRecipe(const Recipe& recipe) {
  if (!recipe.draws.empty() && !std::holds_alternative<TorchCpu>(recipe.generator))
    return FieldError("draws", std::string(Name(recipe.generator)) +
                                   " draws each tensor on its own; allowed: no draws, whose "
                                   "order only torch_cpu has");
  return CheckConstants(recipe.constants);
}

absl::Status CheckSpec(const TensorSpec& spec, const std::string& path) {
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

// What a tensor may not say, since its view does.
absl::Status CheckAgainstView(const TensorSpec& spec, const std::string& path) {
  const bool tied = IsTied(spec.view);
  if (!tied && !HasParts(*spec.view)) return absl::OkStatus();
  const std::string why = tied ? "given although the view ties the tensor; allowed: none"
                               : "given although the view's parts have names of their own; "
                                 "allowed: those, or their subsequences";
  if (spec.draw_name.has_value()) return FieldError(path + ".draw_name", why);
  if (spec.subsequence.has_value()) return FieldError(path + ".subsequence", why);
  if (!tied) return absl::OkStatus();
  if (spec.init.has_value()) return FieldError(path + ".init", why);
  if (spec.scale.has_value()) return FieldError(path + ".scale", why);
  return absl::OkStatus();
}

// Canonical name → index, refusing two tensors of one name.
absl::StatusOr<NameIndex> IndexNames(const Recipe& recipe, std::span<const std::string> names) {
  NameIndex index;
  index.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const absl::Status status = CheckSpec(recipe.tensors[i], TensorPath(i));
    if (!status.ok()) return status;
    const auto [earlier, inserted] = index.emplace(names[i], static_cast<int>(i));
    if (!inserted) {
      return FieldError(TensorPath(i) + ".name",
                        Quote(recipe.tensors[i].name) + " means the same tensor as " +
                            TensorPath(static_cast<std::size_t>(earlier->second)) +
                            "; allowed: distinct names");
    }
  }
  return index;
}

// The spec of tensor i with what its rule says; fans are still to come.
absl::StatusOr<TensorSpec> SpecOf(const Recipe& recipe, std::size_t i, const std::string& name,
                                  const Rule* rule, const RuleMatcher::Made& made) {
  TensorSpec spec = recipe.tensors[i];
  spec.name = name;
  if (!spec.seed.has_value())
    spec.seed = rule != nullptr && rule->seed.has_value() ? *rule->seed : recipe.seed;
  if (!spec.view.has_value()) spec.view = made.view;
  if (!spec.scale.has_value()) spec.scale = made.scale;
  if (!spec.init.has_value() && rule != nullptr) spec.init = rule->init;
  if (const Initializer* of_parts = InitOfEveryPart(spec.view);
      of_parts != nullptr && !spec.init.has_value())
    spec.init = *of_parts;  // no draw uses it: it stands for what the parts say
  if (spec.view.has_value()) {
    const absl::Status status = CheckAgainstView(spec, TensorPath(i));
    if (!status.ok()) return status;
  }
  if (!IsTied(spec.view)) {
    spec.dtype = spec.dtype.value_or(recipe.default_dtype);
    if (!spec.init.has_value()) {
      return FieldError(
          TensorPath(i) + ".init",
          "missing, as its rule leaves it to a view and this one has a view of its own; "
          "allowed: an initializer");
    }
  }
  return spec;
}

absl::StatusOr<Expansion> ExpandRecipe(const Recipe& given,
                                       const std::function<bool()>& cancelled) {
  absl::Status status = CheckRecipe(given);
  if (!status.ok()) return status;
  std::vector<std::string> names;
  names.reserve(given.tensors.size());
  for (const TensorSpec& spec : given.tensors) names.push_back(CanonicalName(spec.name));
  auto index = IndexNames(given, names);
  if (!index.ok()) return index.status();
  ReplayDraws followed;
  if (!given.draws.empty()) {
    auto draws = FollowDraws(given, names, *index);
    if (!draws.ok()) return draws.status();
    followed = *std::move(draws);
  }
  const Recipe& recipe = given.draws.empty() ? given : followed.recipe;
  auto matching = MatchRules(recipe, names, cancelled);
  if (!matching.ok()) return matching.status();
  status = CheckCoverage(recipe, matching->coverage);
  if (!status.ok()) return status;

  const SiblingFans fans(recipe, names, *index, *matching);
  Expansion expansion;
  expansion.recipe.generator = recipe.generator;
  expansion.recipe.seed = recipe.seed;
  expansion.recipe.default_dtype = recipe.default_dtype;
  expansion.recipe.renames = recipe.renames;
  expansion.recipe.draws = std::move(followed.recipe.draws);
  expansion.draw_origin = std::move(followed.origin);
  expansion.recipe.tensors.reserve(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto rule_index = matching->coverage.rule_of_tensor[i];
    const Rule* rule =
        rule_index.has_value() ? &recipe.rules[static_cast<std::size_t>(*rule_index)] : nullptr;
    if (rule == nullptr && !NeedsNoRule(recipe.tensors[i])) continue;  // uncovered, and allowed
    if (rule != nullptr && rule->skip) continue;
    auto spec = SpecOf(recipe, i, names[i], rule, matching->made[i]);
    if (!spec.ok()) return spec.status();
    status = fans.Resolve(i, *spec);
    if (!status.ok()) return status;
    expansion.recipe.tensors.push_back(*std::move(spec));
    expansion.origin.push_back(static_cast<int>(i));
  }
  expansion.coverage = std::move(matching->coverage);
  return expansion;
}

}  // namespace

absl::StatusOr<Expansion> Expand(const Recipe& recipe, const std::function<bool()>& cancelled) {
  return CatchAll([&] { return ExpandRecipe(recipe, cancelled); });
}

}  // namespace weightinit
