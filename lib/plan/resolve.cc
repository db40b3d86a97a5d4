// Recipe → ModelPlan.
#include <algorithm>
#include <functional>
#include <unordered_map>

#include "lib/base/catch_all.h"
#include "lib/base/sha256.h"
#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/plan/distribution.h"
#include "lib/plan/jax_keys.h"
#include "lib/plan/resolve_draws.h"
#include "lib/plan/torch_sequence.h"
#include "lib/recipe/module_geometry.h"
#include "lib/recipe/name_finder.h"
#include "lib/recipe/paths.h"
#include "weightinit/plan.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// Resolves the tensors of an expanded recipe one after the other.
class Resolver {
 public:
  // `given` is what was expanded.
  Resolver(const Recipe& given, Expansion& expansion)
      : given_(given), recipe_(expansion.recipe), expansion_(expansion) {
    context_.jax = std::get_if<JaxThreefry>(&recipe_.generator);
  }

  absl::StatusOr<ModelPlan> Resolve();

 private:
  // What was given of a tensor, and the path of what says the rest: its rule, if there is one.
  const TensorSpec& GivenOf(std::size_t tensor) const {
    return given_.tensors[static_cast<std::size_t>(expansion_.origin[tensor])];
  }
  std::string PathOf(std::size_t tensor) const {
    return TensorPath(static_cast<std::size_t>(expansion_.origin[tensor]));
  }
  std::optional<int> RuleOf(std::size_t tensor) const {
    return expansion_.coverage.rule_of_tensor[static_cast<std::size_t>(expansion_.origin[tensor])];
  }
  std::string SayerOf(std::size_t tensor, bool said_by_tensor) const {
    const auto rule = RuleOf(tensor);
    return said_by_tensor || !rule.has_value() ? PathOf(tensor)
                                               : RulePath(static_cast<std::size_t>(*rule));
  }
  std::string ViewPathOf(std::size_t tensor) const {
    return SayerOf(tensor, GivenOf(tensor).view.has_value());
  }

  absl::StatusOr<TensorPlan> Begin(std::size_t i) const;
  absl::Status ResolveTensorAt(std::size_t i);
  absl::Status ResolveTieAt(std::size_t i);
  absl::Status Count(const TensorPlan& tensor, std::size_t i);
  absl::Status CheckSubsequences() const;
  void WarnOfIdleRules();
  void WarnOfRulesThatNeverWin();
  std::string WhyAbsent(const std::string& name) const;

  const Recipe& given_;
  const Recipe& recipe_;
  Expansion& expansion_;
  DrawsContext context_;
  std::unordered_map<std::string_view, int> index_of_name_;  // if anything is tied
  ModelPlan plan_;
};

// What a plan says of any tensor.
absl::StatusOr<TensorPlan> Resolver::Begin(std::size_t i) const {
  const TensorSpec& spec = recipe_.tensors[i];
  TensorPlan tensor;
  tensor.name = spec.name;
  tensor.shape = spec.shape;
  tensor.dtype = spec.dtype.value_or(recipe_.default_dtype);
  tensor.rule = RuleOf(i);
  tensor.module = spec.module;
  tensor.buffer = spec.buffer;
  auto num_elements = NumElements(spec.shape, tensor.dtype, PathOf(i) + ".shape");
  if (!num_elements.ok()) return num_elements.status();
  tensor.num_elements = *num_elements;
  tensor.num_bytes = *num_elements * SizeBytes(tensor.dtype);
  return tensor;
}

absl::Status Resolver::Count(const TensorPlan& tensor, std::size_t i) {
  if (__builtin_add_overflow(plan_.num_bytes, tensor.num_bytes, &plan_.num_bytes)) {
    return FieldError(PathOf(i) + ".shape", "the model has 2^63 bytes or more; allowed: fewer");
  }
  plan_.num_elements += tensor.num_elements;
  return absl::OkStatus();
}

absl::Status Resolver::ResolveTensorAt(std::size_t i) {
  const TensorSpec& spec = recipe_.tensors[i];
  const TensorSpec& given = GivenOf(i);
  auto begun = Begin(i);
  if (!begun.ok()) return begun.status();
  TensorPlan tensor = *std::move(begun);
  const auto rule = tensor.rule;
  const bool rule_has_fan =
      rule.has_value() && given_.rules[static_cast<std::size_t>(*rule)].fan.has_value();
  auto draws = ResolveDraws({.spec = spec,
                             .num_elements = tensor.num_elements,
                             .fan_of_module = !given.fan.has_value() && !rule_has_fan &&
                                              GeometryOfModule(spec.module) != FanGeometry{},
                             .path = PathOf(i),
                             .init_path = SayerOf(i, false),
                             .fan_path = SayerOf(i, given.fan.has_value() || !rule_has_fan),
                             .scale_path = SayerOf(i, given.scale.has_value()),
                             .view_path = ViewPathOf(i)},
                            context_);
  if (!draws.ok()) return draws.status();
  tensor.init = *spec.init;
  tensor.layout_text = std::move(draws->layout_text);
  tensor.fans = draws->fans;
  tensor.gain = draws->gain;
  tensor.expected = draws->expected;
  tensor.why = std::move(draws->why);
  if (*spec.seed != recipe_.seed) tensor.why += "; seed " + std::to_string(*spec.seed);
  tensor.notes = std::move(draws->notes);
  tensor.warnings = std::move(draws->warnings);
  tensor.parts = std::move(draws->parts);
  tensor.layout = std::move(draws->layout);
  // From places in the tensor's draws to places in the model's.
  tensor.first_draw = static_cast<int>(plan_.draws.size());
  tensor.num_draws = static_cast<int>(draws->draws.size());
  for (PartPlan& part : tensor.parts) part.draw += tensor.first_draw;
  if (auto* identity = std::get_if<IdentityLayout>(&tensor.layout)) {
    identity->draw += tensor.first_draw;
  } else {
    for (Tile& tile : std::get<TiledLayout>(tensor.layout).tiles) {
      if (tile.draw != Tile::kZeros) tile.draw += tensor.first_draw;
    }
  }
  for (Draw& draw : draws->draws) plan_.draws.push_back(std::move(draw));
  const absl::Status status = Count(tensor, i);
  plan_.tensors[i] = std::move(tensor);
  return status;
}

// The layout of `other` with its dimensions in another order.
Layout Transposed(const TensorPlan& other, std::span<const std::size_t> axes) {
  TiledLayout layout;
  if (const auto* identity = std::get_if<IdentityLayout>(&other.layout)) {
    Tile& tile = layout.tiles.emplace_back();
    tile.draw = identity->draw;
    tile.dims.resize(other.shape.size());
    std::int64_t stride = 1;
    for (std::size_t d = other.shape.size(); d-- > 0;) {
      tile.dims[d] = {0, other.shape[d], stride};
      stride *= std::max<std::int64_t>(other.shape[d], 1);
    }
  } else {
    layout = std::get<TiledLayout>(other.layout);
  }
  for (Tile& tile : layout.tiles) {
    std::vector<Tile::Dim> dims;
    for (const std::size_t axis : axes) dims.push_back(tile.dims[axis]);
    tile.dims = std::move(dims);
  }
  SortTiles(layout.tiles);
  return layout;
}

// Why a tensor of the recipe that was given is not among those that are drawn; empty: there is none
// of this name.
std::string Resolver::WhyAbsent(const std::string& name) const {
  const auto holds = [&](const std::vector<int>& tensors) {
    return std::any_of(tensors.begin(), tensors.end(), [&](int i) {
      return CanonicalName(given_.tensors[static_cast<std::size_t>(i)].name) == name;
    });
  };
  if (holds(expansion_.coverage.skipped)) return "is skipped by a rule";
  if (holds(expansion_.coverage.uncovered)) return "is covered by no rule";
  return "";
}

// A tensor that shares another one's elements. REQUIRES: all others are resolved
absl::Status Resolver::ResolveTieAt(std::size_t i) {
  const TensorSpec& spec = recipe_.tensors[i];
  auto parts = TakeApart(*spec.view, spec.shape, ViewPathOf(i) + ".view", context_.tiles_left);
  if (!parts.ok()) return parts.status();
  const std::string name = CanonicalName(*parts->tied_to);
  const auto found = index_of_name_.find(name);
  if (found == index_of_name_.end()) {
    if (const std::string why = WhyAbsent(name); !why.empty())
      return FieldError(parts->tied_path,
                        Quote(name) + " " + why + "; allowed: a tensor that is drawn");
    std::vector<std::string_view> candidates;
    for (const TensorSpec& other : recipe_.tensors) candidates.push_back(other.name);
    const std::vector<std::string> nearest = Nearest(name, candidates, 1);
    return FieldError(parts->tied_path,
                      Quote(name) + " is no tensor of this recipe" +
                          (nearest.empty() ? "" : "; nearest: " + Quote(nearest[0])));
  }
  const auto other_index = static_cast<std::size_t>(found->second);
  if (IsTied(recipe_.tensors[other_index].view)) {
    return FieldError(parts->tied_path,
                      Quote(name) +
                          (other_index == i ? " is the tensor itself" : " is tied itself") +
                          "; allowed: a tensor with elements of its own");
  }
  const TensorPlan& other = plan_.tensors[other_index];
  if (parts->tied_shape != other.shape) {
    return FieldError(parts->tied_path, Quote(name) + " has the shape " + ToString(other.shape) +
                                            "; allowed: " + ToString(parts->tied_shape));
  }
  if (spec.dtype.has_value() && *spec.dtype != other.dtype) {
    return FieldError(PathOf(i) + ".dtype",
                      std::string(Name(*spec.dtype)) + " is not the " +
                          std::string(Name(other.dtype)) + " of " + Quote(name) +
                          ", to which the tensor is tied; allowed: that, or none");
  }
  auto begun = Begin(i);
  if (!begun.ok()) return begun.status();
  TensorPlan tensor = *std::move(begun);
  tensor.dtype = other.dtype;
  tensor.num_bytes = tensor.num_elements * SizeBytes(tensor.dtype);
  const bool same = std::is_sorted(parts->tied_axes.begin(), parts->tied_axes.end());
  if (same) tensor.tied_to = static_cast<int>(other_index);
  tensor.layout = same ? other.layout : Transposed(other, parts->tied_axes);
  tensor.layout_text = std::move(parts->text);
  tensor.first_draw = other.first_draw;
  tensor.num_draws = other.num_draws;
  tensor.init = other.init;
  tensor.fans = other.fans;
  tensor.gain = other.gain;
  tensor.expected = other.expected;
  tensor.parts = other.parts;
  tensor.why =
      std::string(same ? "the elements" : "the elements, transposed,") + " of " + Quote(name);
  const absl::Status status = same ? absl::OkStatus() : Count(tensor, i);
  plan_.tensors[i] = std::move(tensor);
  return status;
}

// Two draws of the same words would be the same noise twice.
absl::Status Resolver::CheckSubsequences() const {
  struct Key {
    std::uint64_t seed, subsequence;
    std::size_t draw;
    auto operator<=>(const Key&) const = default;  // NOLINT(modernize-use-nullptr): finds a 0 in it
  };
  std::vector<Key> keys;
  keys.reserve(plan_.draws.size());
  for (std::size_t k = 0; k < plan_.draws.size(); ++k) {
    const Draw& draw = plan_.draws[k];
    if (draw.jax_key.has_value()) {
      keys.push_back({draw.jax_key->first, draw.jax_key->second, k});
    } else if (IsRandom(draw.distribution)) {
      keys.push_back({draw.seed, draw.subsequence, k});
    }
  }
  std::sort(keys.begin(), keys.end());
  std::optional<std::pair<std::size_t, std::size_t>> twice;  // draws; the first repeat
  for (std::size_t k = 1; k < keys.size(); ++k) {
    const Key &a = keys[k - 1], &b = keys[k];
    if (a.seed != b.seed || a.subsequence != b.subsequence) continue;
    if (!twice.has_value() || b.draw < twice->second) twice = {a.draw, b.draw};
  }
  if (!twice.has_value()) return absl::OkStatus();
  const auto owner_of = [&](std::size_t draw) {
    const auto owns = [&](const TensorPlan& tensor) {
      const auto first = static_cast<std::size_t>(tensor.first_draw);
      return !tensor.tied_to.has_value() && draw >= first &&
             draw < first + static_cast<std::size_t>(tensor.num_draws);
    };
    return static_cast<std::size_t>(std::find_if(plan_.tensors.begin(), plan_.tensors.end(), owns) -
                                    plan_.tensors.begin());
  };
  const auto what_of = [&](std::size_t draw, std::size_t tensor) {
    const std::string& name = plan_.draws[draw].name;
    return Quote(recipe_.tensors[tensor].name) +
           (plan_.tensors[tensor].num_draws > 1 ? "'s part " + Quote(name) : "");
  };
  const std::size_t first = owner_of(twice->first), second = owner_of(twice->second);
  const Draw& draw = plan_.draws[twice->second];
  const std::string words = draw.jax_key.has_value()
                                ? ToString(*draw.jax_key) +
                                      "); allowed: distinct subsequences, which stand for " +
                                      (draw.jax_key->layout == JaxThreefry::Layout::kLegacy
                                           ? "jax.random.fold_in's keys (the legacy layout's "
                                             "split is not replayed)"
                                           : "jax.random.split's keys") +
                                      ", or distinct seeds"
                                : "seed " + std::to_string(draw.seed) + ", subsequence " +
                                      std::to_string(draw.subsequence) +
                                      "); allowed: distinct draw names, subsequences or seeds";
  return FieldError(
      FieldOfDraw(recipe_.tensors[second], PathOf(second), ViewPathOf(second),
                  twice->second - static_cast<std::size_t>(plan_.tensors[second].first_draw)),
      what_of(twice->second, second) + " and " + PathOf(first) + " (" +
          what_of(twice->first, first) + ") would draw the same random words (" + words);
}

// Those that are allowed for the recipe as a whole, not each by itself.
void Resolver::WarnOfIdleRules() {
  const Coverage& coverage = expansion_.coverage;
  for (std::size_t i = 0; i < coverage.idle_rules.size(); ++i) {
    if (coverage.idle_hints[i].empty()) continue;
    const auto k = static_cast<std::size_t>(coverage.idle_rules[i]);
    plan_.warnings.push_back(RulePath(k) + " matches no tensor: " + coverage.idle_hints[i]);
  }
}

// Dead code of a recipe: the order of its rules is not what was meant.
void Resolver::WarnOfRulesThatNeverWin() {
  const Coverage& coverage = expansion_.coverage;
  std::vector<bool> is_explained(given_.rules.size(), false);
  for (const int rule : coverage.idle_rules) is_explained[static_cast<std::size_t>(rule)] = true;
  for (const std::optional<int>& rule : coverage.rule_of_tensor) {
    if (rule.has_value()) is_explained[static_cast<std::size_t>(*rule)] = true;
  }
  for (std::size_t k = 0; k < given_.rules.size(); ++k) {
    if (is_explained[k] || given_.rules[k].may_be_idle) continue;
    plan_.warnings.push_back(RulePath(k) + " never wins: earlier rules match all that it matches");
  }
}

absl::StatusOr<ModelPlan> Resolver::Resolve() {
  plan_.generator = recipe_.generator;
  plan_.seed = recipe_.seed;
  plan_.tensors.resize(recipe_.tensors.size());
  plan_.draws.reserve(recipe_.tensors.size());
  std::vector<std::string> names;
  names.reserve(recipe_.tensors.size());
  std::vector<std::size_t> ties;
  for (std::size_t i = 0; i < recipe_.tensors.size(); ++i) {
    names.push_back(recipe_.tensors[i].name);
    if (IsTied(recipe_.tensors[i].view)) {
      ties.push_back(i);
      continue;
    }
    const absl::Status status = ResolveTensorAt(i);
    if (!status.ok()) return status;
  }
  if (!ties.empty()) {
    for (std::size_t i = 0; i < recipe_.tensors.size(); ++i)
      index_of_name_.emplace(recipe_.tensors[i].name, static_cast<int>(i));
  }
  for (const std::size_t i : ties) {
    const absl::Status status = ResolveTieAt(i);
    if (!status.ok()) return status;
  }
  const auto path_of = [this](std::size_t i) { return PathOf(i); };
  const absl::Status status =
      std::holds_alternative<TorchCpu>(recipe_.generator)
          ? AddTorchSequence(recipe_, expansion_.draw_origin, path_of, plan_)
          : CheckSubsequences();
  if (!status.ok()) return status;
  auto finder = NameFinder::Create(std::move(names), recipe_.renames);
  if (!finder.ok()) return finder.status();
  plan_.finder = *std::move(finder);
  WarnOfIdleRules();
  WarnOfRulesThatNeverWin();
  plan_.coverage = std::move(expansion_.coverage);
  plan_.fingerprint = Sha256(CanonicalText(plan_));
  return std::move(plan_);
}

}  // namespace

std::uint64_t SubsequenceOf(std::string_view draw_name) {
  std::string sized;
  AppendSized(draw_name, sized);
  return TaggedHash64("weightinit-philox-v1", sized);
}

absl::StatusOr<ModelPlan> Resolve(const Recipe& recipe, const std::function<bool()>& cancelled) {
  return CatchAll([&]() -> absl::StatusOr<ModelPlan> {
    auto expansion = Expand(recipe, cancelled);
    if (!expansion.ok()) return expansion.status();
    return Resolver(recipe, *expansion).Resolve();
  });
}

absl::StatusOr<ModelPlan> ResolveTensor(const TensorSpec& tensor, std::uint64_t seed,
                                        const Generator& generator) {
  Recipe recipe;
  recipe.generator = generator;
  recipe.seed = seed;
  recipe.tensors = {tensor};
  auto plan = Resolve(recipe);
  if (plan.ok()) return plan;
  // The recipe is ours, the field names are the caller's.
  std::vector<FieldViolation> violations = FieldViolations(plan.status());
  if (violations.empty()) return plan.status();
  const std::string prefix = TensorPath(0);
  std::string& field = violations.front().field;
  if (field.compare(0, prefix.size(), prefix) == 0) field = "tensor" + field.substr(prefix.size());
  return FieldError(field, violations.front().description, plan.status().code());
}

absl::StatusOr<int> FindTensor(const ModelPlan& plan, std::string_view name,
                               std::string_view field) {
  return plan.finder->Find(name, field);
}

}  // namespace weightinit
