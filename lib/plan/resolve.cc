// Recipe → ModelPlan.
#include <algorithm>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "lib/base/catch_all.h"
#include "lib/base/sha256.h"
#include "lib/base/text.h"
#include "lib/plan/distribution.h"
#include "lib/plan/resolve_method.h"
#include "lib/recipe/name_finder.h"
#include "lib/recipe/paths.h"
#include "weightinit/plan.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

bool IsTransposedConvolution(const TensorSpec& spec) {
  return spec.module.find("Conv") != std::string::npos &&
         spec.module.find("Transpose") != std::string::npos;
}

// What the module's name says about its weight, and the fans do not.
std::optional<std::string> GeometryWarning(const TensorSpec& spec, const FanGeometry& geometry) {
  if (geometry != FanGeometry{} || spec.shape.size() < 3) return std::nullopt;
  if (IsTransposedConvolution(spec)) {
    return "the fans are torch's, which take a transposed convolution's inputs for outputs; "
           "fan.transposed swaps them";
  }
  if (spec.module.find("Conv") != std::string::npos && spec.shape[1] == 1 && spec.shape[0] > 1) {
    return "the fans are torch's, whose fan_out does not know groups; if this convolution has "
           "groups, fan.groups says how many";
  }
  return std::nullopt;
}

bool UsesFanOut(const Initializer& init) {
  if (std::holds_alternative<XavierUniform>(init) || std::holds_alternative<XavierNormal>(init))
    return true;
  if (const auto* m = std::get_if<KaimingUniform>(&init)) return m->mode != FanMode::kFanIn;
  if (const auto* m = std::get_if<KaimingNormal>(&init)) return m->mode != FanMode::kFanIn;
  if (const auto* m = std::get_if<VarianceScaling>(&init)) return m->mode != FanMode::kFanIn;
  return false;
}

// Resolves the tensors of an expanded recipe one after the other.
class Resolver {
 public:
  // `given` is what was expanded.
  Resolver(const Recipe& given, const Expansion& expansion)
      : given_(given), recipe_(expansion.recipe), expansion_(expansion) {}

  absl::StatusOr<ModelPlan> Resolve();

 private:
  std::string PathOf(std::size_t tensor) const {
    return TensorPath(static_cast<std::size_t>(expansion_.origin[tensor]));
  }
  // Who gave the fan geometry: the tensor goes before its rule.
  std::string FanPathOf(std::size_t tensor, std::optional<int> rule) const {
    const auto origin = static_cast<std::size_t>(expansion_.origin[tensor]);
    const bool by_rule = rule.has_value() && !given_.tensors[origin].fan.has_value() &&
                         given_.rules[static_cast<std::size_t>(*rule)].fan.has_value();
    return by_rule ? RulePath(static_cast<std::size_t>(*rule)) : TensorPath(origin);
  }
  absl::Status ResolveTensorAt(std::size_t i);
  absl::Status CheckSubsequences() const;

  const Recipe& given_;
  const Recipe& recipe_;
  const Expansion& expansion_;
  ModelPlan plan_;
};

absl::Status Resolver::ResolveTensorAt(std::size_t i) {
  const TensorSpec& spec = recipe_.tensors[i];
  const std::string path = PathOf(i);
  TensorPlan tensor;
  tensor.name = spec.name;
  tensor.shape = spec.shape;
  tensor.dtype = *spec.dtype;
  tensor.init = *spec.init;
  tensor.rule = expansion_.coverage.rule_of_tensor[static_cast<std::size_t>(expansion_.origin[i])];
  tensor.module = spec.module;
  tensor.buffer = spec.buffer;
  auto num_elements = NumElements(spec.shape, tensor.dtype, path + ".shape");
  if (!num_elements.ok()) return num_elements.status();
  tensor.num_elements = *num_elements;
  tensor.num_bytes = *num_elements * SizeBytes(tensor.dtype);

  const FanGeometry geometry = spec.fan.value_or(FanGeometry{});
  const std::string said_by =
      tensor.rule.has_value() ? RulePath(static_cast<std::size_t>(*tensor.rule)) : path;
  auto method = ResolveMethod(tensor.init, {.shape = spec.shape,
                                            .dtype = tensor.dtype,
                                            .empty = *num_elements == 0,
                                            .geometry = geometry,
                                            .scale = spec.scale,
                                            .init_field = said_by + ".init",
                                            .shape_field = path + ".shape",
                                            .fan_field = FanPathOf(i, tensor.rule) + ".fan",
                                            .dtype_field = path + ".dtype",
                                            .scale_field = path + ".scale"});
  if (!method.ok()) return method.status();
  tensor.fans = method->fans;
  tensor.gain = method->gain;
  tensor.why = std::move(method->why);
  tensor.warnings = std::move(method->warnings);
  if (*num_elements == 0) {
    method->distribution = FilledWith{0};
    tensor.why = "no elements";
    tensor.notes.emplace_back("the shape has a 0: there is nothing to draw");
  } else {
    tensor.expected = ExpectedOf(method->distribution, spec.shape);
    for (std::string& warning : RangeWarnings(method->distribution, tensor.expected, tensor.dtype))
      tensor.warnings.push_back(std::move(warning));
    const auto geometry_warning = GeometryWarning(spec, geometry);
    if (tensor.fans.has_value() && geometry_warning.has_value() &&
        (IsTransposedConvolution(spec) || UsesFanOut(tensor.init)))
      tensor.warnings.push_back(*geometry_warning);
  }

  Draw draw;
  draw.name = spec.draw_name.value_or(spec.name);
  draw.seed = *spec.seed;
  draw.subsequence = spec.subsequence.has_value() ? *spec.subsequence : SubsequenceOf(draw.name);
  draw.shape = spec.shape;
  draw.distribution = method->distribution;
  tensor.layout = IdentityLayout{static_cast<int>(plan_.draws.size())};
  plan_.draws.push_back(std::move(draw));

  if (__builtin_add_overflow(plan_.num_bytes, tensor.num_bytes, &plan_.num_bytes)) {
    return FieldError(path + ".shape", "the model has 2^63 bytes or more; allowed: fewer");
  }
  plan_.num_elements += tensor.num_elements;
  plan_.tensors.push_back(std::move(tensor));
  return absl::OkStatus();
}

// Two draws of the same words would be the same noise twice.
absl::Status Resolver::CheckSubsequences() const {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::size_t> first_of_key;
  for (std::size_t i = 0; i < plan_.draws.size(); ++i) {
    const Draw& draw = plan_.draws[i];
    if (!IsRandom(draw.distribution)) continue;
    const auto [earlier, inserted] =
        first_of_key.emplace(std::pair{draw.seed, draw.subsequence}, i);
    if (inserted) continue;
    const TensorSpec& spec = recipe_.tensors[i];
    const std::string field = spec.subsequence.has_value() ? ".subsequence"
                              : spec.draw_name.has_value() ? ".draw_name"
                                                           : ".name";
    return FieldError(PathOf(i) + field,
                      Quote(spec.name) + " and " + PathOf(earlier->second) + " (" +
                          Quote(recipe_.tensors[earlier->second].name) +
                          ") would draw the same random words (seed " + std::to_string(draw.seed) +
                          ", subsequence " + std::to_string(draw.subsequence) +
                          "); allowed: distinct draw names, subsequences or seeds");
  }
  return absl::OkStatus();
}

absl::StatusOr<ModelPlan> Resolver::Resolve() {
  plan_.generator = recipe_.generator;
  plan_.seed = recipe_.seed;
  plan_.coverage = expansion_.coverage;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < recipe_.tensors.size(); ++i) {
    const absl::Status status = ResolveTensorAt(i);
    if (!status.ok()) return status;
    names.push_back(recipe_.tensors[i].name);
  }
  const absl::Status status = CheckSubsequences();
  if (!status.ok()) return status;
  auto finder = NameFinder::Create(std::move(names), recipe_.renames);
  if (!finder.ok()) return finder.status();
  plan_.finder = *std::move(finder);
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
