#include "lib/plan/resolve_draws.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "lib/base/product.h"
#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/plan/distribution.h"
#include "lib/plan/jax_keys.h"
#include "lib/plan/resolve_method.h"
#include "lib/recipe/module_geometry.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

bool IsTransposedConvolution(const TensorSpec& spec) {
  return spec.module.find("Conv") != std::string::npos &&
         spec.module.find("Transpose") != std::string::npos;
}

bool UsesFanOut(const Initializer& init) {
  if (std::holds_alternative<XavierUniform>(init) || std::holds_alternative<XavierNormal>(init))
    return true;
  if (const auto* m = std::get_if<KaimingUniform>(&init)) return m->mode != FanMode::kFanIn;
  if (const auto* m = std::get_if<KaimingNormal>(&init)) return m->mode != FanMode::kFanIn;
  if (const auto* m = std::get_if<VarianceScaling>(&init)) return m->mode != FanMode::kFanIn;
  return false;
}

// The matrices that torch keeps one above the other in a weight of this name and module.
int PackedMatricesOf(const TensorSpec& spec) {
  std::string_view name = spec.name;
  name.remove_prefix(spec.name.rfind('.') + 1);
  const bool packed = name.starts_with("weight_ih") || name.starts_with("weight_hh") ||
                      name.starts_with("in_proj_weight");
  return packed ? PackedMatricesOfModule(spec.module) : 1;
}

// What the module's name says about its weight, and the fans do not.
std::optional<std::string> GeometryWarning(const TensorSpec& spec, const Shape& shape,
                                           const Initializer& init, const FanGeometry& geometry) {
  if (geometry != FanGeometry{}) return std::nullopt;
  const bool fan_out = UsesFanOut(init);
  if (shape.size() == 2 && fan_out && !spec.view.has_value()) {
    const int packed = PackedMatricesOf(spec);
    if (packed == 1) return std::nullopt;
    return "the fans are torch's, of " + std::to_string(packed) +
           " matrices as one; a concat view draws each with its own";
  }
  if (shape.size() < 3) return std::nullopt;
  if (IsTransposedConvolution(spec)) {
    return "the fans are torch's, which take a transposed convolution's inputs for outputs; "
           "fan.transposed swaps them";
  }
  if (spec.module.find("Conv") != std::string::npos && shape[1] == 1 && shape[0] > 1 && fan_out) {
    return "the fans are torch's, whose fan_out does not know groups; if this convolution has "
           "groups, fan.groups says how many";
  }
  return std::nullopt;
}

// The moments of a mixture, each with its number of elements.
Expected Mixture(const std::vector<std::pair<Expected, double>>& parts) {
  double total = 0, mean = 0, square = 0;
  Expected mixture{0, 0, std::numeric_limits<double>::infinity(),
                   -std::numeric_limits<double>::infinity()};
  for (const auto& [expected, count] : parts) {
    if (count == 0) continue;
    total += count;
    mean += count * expected.mean;
    square += count * (expected.std * expected.std + expected.mean * expected.mean);
    mixture.min = std::min(mixture.min, expected.min);
    mixture.max = std::max(mixture.max, expected.max);
  }
  mixture.mean = mean / total;
  mixture.std = std::sqrt(std::max(0.0, square / total - mixture.mean * mixture.mean));
  return mixture;
}

// Whether the tiles are the one draw in row-major order.
bool IsIdentity(const std::vector<Tile>& tiles, const Shape& shape) {
  if (tiles.size() != 1 || tiles[0].draw != 0 || tiles[0].base != 0) return false;
  std::int64_t stride = 1;
  for (std::size_t d = shape.size(); d-- > 0;) {
    const Tile::Dim& dim = tiles[0].dims[d];
    if (dim.size != shape[d] || (dim.size > 1 && dim.stride != stride)) return false;
    stride *= shape[d];
  }
  return true;
}

class DrawsResolver {
 public:
  DrawsResolver(const DrawsInput& input, DrawsContext& context)
      : input_(input), spec_(input.spec), context_(context) {}

  absl::StatusOr<ResolvedDraws> Resolve() {
    ViewParts whole;
    if (spec_.view.has_value()) {
      auto parts =
          TakeApart(*spec_.view, spec_.shape, input_.view_path + ".view", context_.tiles_left);
      if (!parts.ok()) return parts.status();
      whole = *std::move(parts);
    } else {
      whole.templates.push_back({});
      whole.templates[0].shape = spec_.shape;
      whole.draws.push_back({});
    }
    for (const PartTemplate& part : whole.templates) {
      const absl::Status status = ResolveTemplate(part);
      if (!status.ok()) return status;
    }
    for (const ViewParts::Draw& draw : whole.draws) MakeDraw(whole.templates[draw.of], draw);
    Describe(whole);
    return std::move(result_);
  }

 private:
  bool empty() const { return input_.num_elements == 0; }

  absl::Status ResolveTemplate(const PartTemplate& part) {
    const Initializer& init = part.init != nullptr ? *part.init : *spec_.init;
    const FanGeometry of_tensor = spec_.fan.value_or(FanGeometry{});
    const FanGeometry& geometry = part.fan != nullptr ? *part.fan : of_tensor;
    const bool is_part = spec_.view.has_value() && HasParts(*spec_.view);
    const std::string init_field =
        (part.init != nullptr ? part.init_path : input_.init_path) + ".init";
    auto method = ResolveMethod(
        init,
        {.shape = part.shape,
         .dtype = *spec_.dtype,
         .empty = empty(),
         .geometry = geometry,
         .scale = part.scale.has_value() ? part.scale : spec_.scale,
         .truncations = context_.truncations,
         .as_jax = context_.jax != nullptr,
         .init_field = init_field,
         .shape_field = is_part ? part.path : input_.path + ".shape",
         .fan_field = (part.fan != nullptr ? part.fan_path : input_.fan_path) + ".fan",
         .dtype_field = input_.path + ".dtype",
         .scale_field = (part.scale.has_value() ? part.scale_path : input_.scale_path) + ".scale"});
    if (!method.ok()) return method.status();
    for (std::string& warning : method->warnings) Warn(std::move(warning));
    if (context_.jax != nullptr && !empty()) {
      const absl::Status status = CheckJax(method->distribution, part.shape, *spec_.dtype,
                                           init_field, input_.path + ".dtype");
      if (!status.ok()) return status;
      Note(JaxApproximationOf(method->distribution));
    }
    PartPlan plan;
    plan.init = init;
    plan.fans = method->fans;
    plan.gain = method->gain;
    plan.why = std::move(method->why);
    if (empty()) {
      method->distribution = FilledWith{0};
    } else {
      plan.expected = ExpectedOf(method->distribution, part.shape, context_.truncations);
      for (std::string& warning : RangeWarnings(method->distribution, plan.expected, *spec_.dtype))
        Warn(std::move(warning));
      if (plan.fans.has_value()) NoteGeometry(part, init, geometry);
    }
    plans_.push_back(std::move(plan));
    distributions_.push_back(method->distribution);
    return absl::OkStatus();
  }

  void NoteGeometry(const PartTemplate& part, const Initializer& init,
                    const FanGeometry& geometry) {
    auto warning = GeometryWarning(spec_, part.shape, init, geometry);
    if (warning.has_value()) Warn(*std::move(warning));
    if (input_.fan_of_module && part.fan == nullptr) {
      Note("fans are read as " + spec_.module + " holds its weights: " +
           std::string(Name(FanLayout::kInOut)) + (geometry.transposed ? ", transposed" : ""));
    }
  }

  // Parts of one kind warn alike.
  void Warn(std::string warning) {
    auto& warnings = result_.warnings;
    if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
      warnings.push_back(std::move(warning));
  }

  void Note(std::string note) {
    auto& notes = result_.notes;
    if (!note.empty() && std::find(notes.begin(), notes.end(), note) == notes.end())
      notes.push_back(std::move(note));
  }

  void MakeDraw(const PartTemplate& part, const ViewParts::Draw& from) {
    Draw& draw = result_.draws.emplace_back();
    draw.name = from.name.has_value() ? *from.name : spec_.draw_name.value_or(spec_.name);
    draw.seed = part.seed.value_or(*spec_.seed);
    const auto subsequence = from.name.has_value() ? from.subsequence : spec_.subsequence;
    draw.subsequence = subsequence.has_value() ? *subsequence : SubsequenceOf(draw.name);
    draw.shape = part.shape;
    draw.distribution = distributions_[from.of];
    if (context_.jax == nullptr || !IsRandom(draw.distribution)) return;
    draw.jax_key = JaxKeyOf(*context_.jax, draw.seed, subsequence);
    if (!spec_.view.has_value()) Note(ToString(*draw.jax_key));
  }

  // Of parts whose numbers are others than the first one's: the first of each kind.
  std::string WhyOfOthers(const ViewParts& whole) const {
    constexpr std::size_t kMostShown = 4;
    std::vector<std::string_view> told = {plans_[0].why};
    std::string text;
    for (std::size_t k = 0; k < whole.draws.size() && told.size() < kMostShown; ++k) {
      const std::string& why = plans_[whole.draws[k].of].why;
      if (std::find(told.begin(), told.end(), why) != told.end()) continue;
      told.push_back(why);
      text += "; " + Quote(result_.draws[k].name) + ": " + why;
    }
    return text;
  }

  void Describe(ViewParts& whole) {
    const PartPlan& first = plans_[0];
    result_.layout_text = whole.text.empty() ? "identity" : std::move(whole.text);
    if (!spec_.view.has_value() || IsIdentity(whole.tiles, spec_.shape)) {
      result_.layout = IdentityLayout{0};
      result_.expected = first.expected;
    } else {
      result_.expected = empty() ? Expected{} : ExpectedOfTiles(whole);
      result_.layout = TiledLayout{std::move(whole.tiles)};
    }
    if (whole.draws.size() == 1) {
      result_.fans = first.fans;
      result_.gain = first.gain;
      result_.why = first.why;
    } else {
      result_.why = std::to_string(whole.draws.size()) + " parts; the first, " +
                    Quote(result_.draws[0].name) + ": " + first.why + WhyOfOthers(whole);
      for (std::size_t k = 0; k < std::min(whole.draws.size(), TensorPlan::kMostParts); ++k) {
        result_.parts.push_back(plans_[whole.draws[k].of]);
        result_.parts.back().draw = static_cast<int>(k);
      }
    }
    if (!empty()) return;
    result_.why = "no elements";
    result_.notes.emplace_back("the shape has a 0: there is nothing to draw");
  }

  Expected ExpectedOfTiles(const ViewParts& whole) const {
    std::vector<double> count_of_template(plans_.size(), 0);
    double zeros = 0;
    for (const Tile& tile : whole.tiles) {
      double count = 1;
      for (const Tile::Dim& dim : tile.dims) count *= static_cast<double>(dim.size);
      if (tile.draw == Tile::kZeros) {
        zeros += count;
      } else {
        count_of_template[whole.draws[static_cast<std::size_t>(tile.draw)].of] += count;
      }
    }
    std::vector<std::pair<Expected, double>> parts{{Expected{}, zeros}};
    for (std::size_t t = 0; t < plans_.size(); ++t)
      parts.emplace_back(plans_[t].expected, count_of_template[t]);
    return Mixture(parts);
  }

  const DrawsInput& input_;
  const TensorSpec& spec_;
  DrawsContext& context_;
  std::vector<PartPlan> plans_;              // per template
  std::vector<Distribution> distributions_;  // likewise
  ResolvedDraws result_;
};

}  // namespace

absl::StatusOr<ResolvedDraws> ResolveDraws(const DrawsInput& input, DrawsContext& context) {
  return DrawsResolver(input, context).Resolve();
}

std::string FieldOfDraw(const TensorSpec& spec, const std::string& path,
                        const std::string& view_path, std::size_t k) {
  if (spec.view.has_value() && HasParts(*spec.view)) {
    std::int64_t tiles_left = kMaxViewTiles;
    const auto parts = TakeApart(*spec.view, spec.shape, view_path + ".view", tiles_left);
    if (!parts.ok()) return path;
    const ViewParts::Draw& draw = parts->draws[k];
    return parts->templates[draw.of].path +
           (draw.subsequence.has_value() ? ".subsequence" : ".name");
  }
  return path + (spec.subsequence.has_value() ? ".subsequence"
                 : spec.draw_name.has_value() ? ".draw_name"
                                              : ".name");
}

}  // namespace weightinit
