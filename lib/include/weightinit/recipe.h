// Recipes: what is asked. Tensors and rules as the user wrote them; nothing here is resolved to
// numbers.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_RECIPE_H_
#define WEIGHTINIT_RECIPE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/dtype.h"
#include "weightinit/export.h"
#include "weightinit/fans.h"
#include "weightinit/generator.h"
#include "weightinit/initializer.h"
#include "weightinit/shape.h"
#include "weightinit/view.h"

namespace weightinit {

// One tensor: what is asked.
struct TensorSpec {
  std::string name;  // UTF-8
  Shape shape;
  std::optional<DType> dtype;            // default: the recipe's
  std::optional<Initializer> init;       // default: from the first rule that matches
  std::optional<FanGeometry> fan;        // default: the rule's
  std::string module;                    // module type, e.g. "Conv2d"; what Rule::module matches
  bool buffer = false;                   // not a parameter, e.g. running_mean
  std::optional<std::string> draw_name;  // default: the canonical name
  std::optional<std::uint64_t> subsequence;  // instead of draw_name
  std::optional<std::uint64_t> seed;         // default: the rule's, then the recipe's
  std::optional<double> scale;               // ≥ 0; multiplies std, low and high, value, gain
  OptionalView view;                         // default: the rule's, then one draw
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

// Says how the tensors are drawn whose name and module type it matches. First match wins.
struct Rule {
  std::optional<std::string> name_regex;  // RE2, full match on the canonical name
  std::optional<std::string> module;      // equal to TensorSpec::module
  std::optional<Initializer> init;        // required unless the rule skips or ties
  std::optional<FanGeometry> fan;
  // An expression that multiplies the numbers as TensorSpec::scale does: "1/sqrt(2*(layer+1))". It
  // knows numbers, + - * / ^ ( ), sqrt, log (natural), exp, min, max, the recipe's constants, and
  // the named groups of name_regex as numbers; ≥ 0 and finite for every tensor. Empty: none.
  std::string scale;
  std::optional<std::uint64_t> seed;
  bool skip = false;         // leave the tensor out, counted as covered
  bool may_be_idle = false;  // no error if nothing matches
  OptionalView view;         // names in it are rewrites (view.h)
  friend bool operator==(const Rule&, const Rule&) = default;
};

// Applied in order to names that are asked for: RE2 full match, then `rewrite` with \1 … for
// groups.
struct Rename {
  std::string name_regex;
  std::string rewrite;
  friend bool operator==(const Rename&, const Rename&) = default;
};

// One step of a replayed stream, as a script would take it. Either `name` or `construct`.
struct DrawStep {
  std::string name;                 // the tensor that is drawn; its last draw is what it holds
  std::optional<Initializer> init;  // how, in this step; default: the tensor's
  // A module, by the prefix of its tensors' names: draws them as torch constructs a module of their
  // type (TensorSpec::module), in torch's order.
  std::string construct;
  friend bool operator==(const DrawStep&, const DrawStep&) = default;
};

// A whole model: tensors, rules, seed, generator.
struct Recipe {
  Generator generator;
  std::uint64_t seed = 0;
  DType default_dtype = DType::kFloat32;
  std::map<std::string, double> constants;  // of scale expressions; finite
  std::vector<TensorSpec> tensors;
  std::vector<Rule> rules;
  std::vector<Rename> renames;
  std::vector<DrawStep> draws;   // torch_cpu only; empty: each tensor once, in order
  bool allow_uncovered = false;  // leave out the tensors that no rule matches
  bool allow_idle = false;       // do not refuse rules that match nothing
  friend bool operator==(const Recipe&, const Recipe&) = default;
};

// Canonical form of a name: without the segments _orig_mod, _fsdp_wrapped_module and
// _checkpoint_wrapped_module at any level, and without a leading "module.".
WEIGHTINIT_EXPORT std::string CanonicalName(std::string_view name);

// What the rules did. Indices are those of the recipe.
struct Coverage {
  // Enough to see what went wrong; as many rules as tensors would make a list of millions.
  static constexpr std::size_t kMostOthers = 8;
  struct Overlap {
    int tensor;
    int winner;
    std::vector<int> others;       // the first kMostOthers later rules that match too, ascending
    std::int64_t other_count = 0;  // all of them
  };
  // None: the tensor's own init, a tie of its own, or uncovered.
  std::vector<std::optional<int>> rule_of_tensor;
  std::vector<int> uncovered;   // tensors without init that no rule matches
  std::vector<int> skipped;     // tensors left out on purpose
  std::vector<int> idle_rules;  // rules that match no tensor
  // Per idle rule what it nearly matches, in words; empty: nothing, or the rule may be idle.
  std::vector<std::string> idle_hints;
  std::vector<Overlap> overlaps;  // tensors that several rules match
};

// A valid recipe without rules, and how it came about. `origin[i]` is the index in the given recipe
// of `recipe.tensors[i]`.
struct Expansion {
  Recipe recipe;
  Coverage coverage;
  std::vector<int> origin;
  std::vector<int> draw_origin;  // likewise of `recipe.draws`, each of which names one tensor
};

// Applies the rules: every tensor of the result has a canonical name, dtype and seed of its own,
// and an init unless its view ties it; names in views are those of this tensor. Errors:
// INVALID_ARGUMENT (bad names, two tensors of one canonical name, a regex or an expression that
// cannot be used), FAILED_PRECONDITION (a tensor that nothing covers, a rule that matches nothing,
// unless allowed), CANCELLED once `cancelled`, which is asked now and then, answers true,
// RESOURCE_EXHAUSTED (memory).
WEIGHTINIT_EXPORT absl::StatusOr<Expansion> Expand(const Recipe& recipe,
                                                   const std::function<bool()>& cancelled = {});

}  // namespace weightinit

#endif  // WEIGHTINIT_RECIPE_H_
