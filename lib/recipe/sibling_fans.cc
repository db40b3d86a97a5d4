#include "lib/recipe/sibling_fans.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/base/text.h"
#include "lib/layout/view_parts.h"
#include "lib/recipe/module_geometry.h"
#include "lib/recipe/paths.h"
#include "weightinit/fans.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// Takes `fans` one after the other for the parts that are draws, in TakeApart's order.
class PartFans {
 public:
  explicit PartFans(std::span<const FanGeometry> fans) : fans_(fans) {}

  View In(const View& view) {
    View copy = view;
    if (auto* concat = std::get_if<Concat>(&copy.kind)) {
      for (ViewPart& part : concat->parts) Set(part);
    } else if (auto* stack = std::get_if<Stack>(&copy.kind)) {
      Set(stack->part);
    } else if (auto* transpose = std::get_if<Transpose>(&copy.kind)) {
      if (transpose->view.has_value()) transpose->view = OptionalView(In(*transpose->view));
    }
    return copy;
  }

 private:
  void Set(ViewPart& part) {
    if (part.view.has_value() && HasParts(*part.view)) {
      part.view = OptionalView(In(*part.view));
    } else {
      part.fan = fans_[next_++];
    }
  }
  std::span<const FanGeometry> fans_;
  std::size_t next_ = 0;
};

bool AllEqual(const std::vector<FanGeometry>& fans) {
  return std::all_of(fans.begin(), fans.end(),
                     [&](const FanGeometry& other) { return other == fans[0]; });
}

}  // namespace

const FanGeometry& SiblingFans::GeometryOf(std::size_t i) const {
  const TensorSpec& spec = recipe_.tensors[i];
  if (spec.fan.has_value()) return *spec.fan;
  const auto rule = matching_.coverage.rule_of_tensor[i];
  if (rule.has_value() && recipe_.rules[static_cast<std::size_t>(*rule)].fan.has_value())
    return *recipe_.rules[static_cast<std::size_t>(*rule)].fan;
  return GeometryOfModule(spec.module);
}

// Who gave the view: the tensor goes before its rule.
std::string SiblingFans::ViewPathOf(std::size_t i) const {
  const auto rule = matching_.coverage.rule_of_tensor[i];
  const bool by_rule = rule.has_value() && !recipe_.tensors[i].view.has_value();
  return (by_rule ? RulePath(static_cast<std::size_t>(*rule)) : TensorPath(i)) + ".view";
}

// The fans of the sibling that `geometry` of tensor i names: one for each of its parts.
absl::StatusOr<std::vector<FanGeometry>> SiblingFans::FansOfSibling(std::size_t i,
                                                                    const FanGeometry& geometry,
                                                                    const std::string& path) const {
  FanGeometry others = geometry;
  others.fans_of.clear();
  if (others != FanGeometry{})
    return FieldError(
        path, "given together with another fan geometry; allowed: one way to give the fans");
  const std::string& name = names_[i];
  const std::string sibling_name = name.substr(0, name.rfind('.') + 1) + geometry.fans_of;
  const auto found = index_.find(sibling_name);
  if (found == index_.end()) {
    return FieldError(path, Quote(geometry.fans_of) + ": " + Quote(name) + " has no sibling " +
                                Quote(sibling_name) + " in the recipe");
  }
  const auto sibling = static_cast<std::size_t>(found->second);
  const TensorSpec& spec = recipe_.tensors[sibling];
  const OptionalView& view = spec.view.has_value() ? spec.view : matching_.made[sibling].view;
  std::vector<PartTemplate> parts(1);
  parts[0].shape = spec.shape;
  if (view.has_value()) {
    std::int64_t tiles_left = kMaxViewTiles;
    auto apart = TakeApart(*view, spec.shape, ViewPathOf(sibling), tiles_left);
    if (!apart.ok()) return apart.status();
    // One that is tied has no parts: its fans are those of its own shape, as torch has them.
    if (!apart->tied_to.has_value()) parts = std::move(apart->templates);
  }
  std::vector<FanGeometry> resolved;
  for (const PartTemplate& part : parts) {
    const FanGeometry& sibling_geometry = part.fan != nullptr ? *part.fan : GeometryOf(sibling);
    if (!sibling_geometry.fans_of.empty()) {
      return FieldError(path,
                        "the fans of " + Quote(sibling_name) +
                            " are another tensor's too; allowed: a tensor with fans of its own");
    }
    auto fans = ComputeFans(part.shape, sibling_geometry, TensorPath(sibling) + ".shape", path);
    if (!fans.ok()) return fans.status();
    // A fan that the sibling does not know stays unknown here too.
    FanGeometry& numbers = resolved.emplace_back();
    if (fans->in > 0 || fans->out == 0) numbers.fan_in = fans->in;
    if (fans->out > 0) numbers.fan_out = fans->out;
  }
  return resolved;
}

absl::Status SiblingFans::ResolveParts(std::size_t i, const FanGeometry& geometry,
                                       const std::string& path, TensorSpec& spec) const {
  std::int64_t tiles_left = kMaxViewTiles;
  auto apart = TakeApart(*spec.view, spec.shape, ViewPathOf(i), tiles_left);
  if (!apart.ok()) return apart.status();
  std::vector<FanGeometry> fans;
  bool any = false;
  for (std::size_t p = 0; p < apart->templates.size(); ++p) {
    const PartTemplate& part = apart->templates[p];
    const FanGeometry& of_part = part.fan != nullptr ? *part.fan : geometry;
    if (of_part.fans_of.empty()) {
      fans.push_back(of_part);
      continue;
    }
    any = true;
    auto of_sibling = FansOfSibling(i, of_part, path);
    if (!of_sibling.ok()) return of_sibling.status();
    if (of_sibling->size() == apart->templates.size()) {
      fans.push_back((*of_sibling)[p]);
    } else if (AllEqual(*of_sibling)) {
      fans.push_back((*of_sibling)[0]);
    } else {
      return FieldError(path, Quote(of_part.fans_of) + " has " +
                                  std::to_string(of_sibling->size()) +
                                  " parts of different fans; allowed: as many parts here, or fans "
                                  "of one kind");
    }
  }
  if (any) spec.view = OptionalView(PartFans(fans).In(*spec.view));
  if (!geometry.fans_of.empty()) {
    spec.fan.reset();  // every part has its own now
  } else if (geometry != FanGeometry{}) {
    spec.fan = geometry;
  }
  return absl::OkStatus();
}

absl::Status SiblingFans::Resolve(std::size_t i, TensorSpec& spec) const {
  const FanGeometry& geometry = GeometryOf(i);
  const auto rule = matching_.coverage.rule_of_tensor[i];
  const std::string path =
      (spec.fan.has_value() || !rule.has_value() ? TensorPath(i)
                                                 : RulePath(static_cast<std::size_t>(*rule))) +
      ".fan.fans_of";
  if (spec.view.has_value() && HasParts(*spec.view)) return ResolveParts(i, geometry, path, spec);
  if (geometry.fans_of.empty()) {
    if (geometry != FanGeometry{} || spec.fan.has_value()) spec.fan = geometry;
    return absl::OkStatus();
  }
  auto fans = FansOfSibling(i, geometry, path);
  if (!fans.ok()) return fans.status();
  if (!AllEqual(*fans)) {
    return FieldError(path, Quote(geometry.fans_of) + " has " + std::to_string(fans->size()) +
                                " parts of different fans; allowed: as many parts here, or fans "
                                "of one kind");
  }
  spec.fan = (*fans)[0];
  return absl::OkStatus();
}

}  // namespace weightinit
