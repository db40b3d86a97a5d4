#include "weightinit/fans.h"

#include <cmath>
#include <utility>

#include "lib/base/product.h"
#include "lib/base/text.h"
#include "weightinit/shape.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

bool HasLayout(const FanGeometry& g) {
  return g.layout.has_value() || g.transposed || g.groups.has_value();
}
bool HasAxes(const FanGeometry& g) {
  return !g.in_axes.empty() || !g.out_axes.empty() || !g.batch_axes.empty();
}
bool HasNumbers(const FanGeometry& g) { return g.fan_in.has_value() || g.fan_out.has_value(); }

absl::Status CheckNumber(std::optional<double> fan, const std::string& field) {
  if (!fan.has_value() || (std::isfinite(*fan) && *fan > 0)) return absl::OkStatus();
  return FieldError(field, FormatNumber(*fan) + "; allowed: a finite number > 0");
}

// The fans by layout. With groups, the dimension that holds all groups' channels counts once per
// group.
absl::StatusOr<Fans> FansOfLayout(std::span<const std::int64_t> shape, const FanGeometry& geometry,
                                  std::string_view shape_field, std::string_view fan_field) {
  if (shape.size() < 2) {
    return FieldError(
        shape_field,
        ToString(shape) +
            " has fewer than two dimensions, from which no fans follow; allowed: two or more, or "
            "fans "
            "given by fan.fan_in and fan.fan_out, fan.in_axes and fan.out_axes, or fan.fans_of");
  }
  const bool in_out = geometry.layout == FanLayout::kInOut;
  const std::size_t rank = shape.size();
  // The outer of the two channel dimensions holds all groups in OUT_IN, the inner one in IN_OUT.
  const std::int64_t all_groups = in_out ? shape[rank - 1] : shape[0];
  const std::int64_t one_group = in_out ? shape[rank - 2] : shape[1];
  const std::int64_t groups = geometry.groups.value_or(1);
  if (groups < 1 || all_groups % groups != 0) {
    return FieldError(std::string(fan_field) + ".groups",
                      std::to_string(groups) + "; allowed: a number ≥ 1 that divides " +
                          std::to_string(all_groups));
  }
  const double receptive_field = Product(in_out ? shape.first(rank - 2) : shape.subspan(2));
  const std::int64_t per_group = all_groups / groups;
  const double split = static_cast<double>(per_group) * receptive_field;
  const double kept = static_cast<double>(one_group) * receptive_field;
  return geometry.transposed ? Fans{split, kept} : Fans{kept, split};
}

// The fans by axes: jax.nn.initializers' rule.
absl::StatusOr<Fans> FansOfAxes(std::span<const std::int64_t> shape, const FanGeometry& geometry,
                                std::string_view fan_field) {
  for (const auto& [name, axes] :
       {std::pair{".in_axes", &geometry.in_axes}, std::pair{".out_axes", &geometry.out_axes}}) {
    if (axes->empty())
      return FieldError(std::string(fan_field) + name,
                        "missing; allowed: in_axes and out_axes, both");
  }
  std::vector<bool> used(shape.size(), false);
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto take = [&](const std::vector<std::int64_t>& axes, std::string_view name,
                        double& product) {
    product = 1;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::string field =
          std::string(fan_field) + "." + std::string(name) + "[" + std::to_string(i) + "]";
      const std::int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
      if (axis < 0 || axis >= rank) {
        return FieldError(field, std::to_string(axes[i]) + " is no axis of " + ToString(shape) +
                                     "; allowed: −" + std::to_string(rank) + " to " +
                                     std::to_string(rank - 1));
      }
      const auto index = static_cast<std::size_t>(axis);
      if (used[index])
        return FieldError(field,
                          std::to_string(axes[i]) + " is named twice; allowed: each axis once");
      used[index] = true;
      product *= static_cast<double>(shape[index]);
    }
    return absl::OkStatus();
  };
  double in = 1, out = 1, batch = 1;
  for (const absl::Status& status :
       {take(geometry.in_axes, "in_axes", in), take(geometry.out_axes, "out_axes", out),
        take(geometry.batch_axes, "batch_axes", batch)}) {
    if (!status.ok()) return status;
  }
  double receptive_field = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!used[i]) receptive_field *= static_cast<double>(shape[i]);
  }
  return Fans{in * receptive_field, out * receptive_field};
}

}  // namespace

std::string_view Name(FanLayout layout) {
  return layout == FanLayout::kInOut ? "IN_OUT" : "OUT_IN";
}

absl::StatusOr<Fans> ComputeFans(std::span<const std::int64_t> shape, const FanGeometry& geometry,
                                 std::string_view shape_field, std::string_view fan_field) {
  if (HasLayout(geometry) + HasAxes(geometry) + HasNumbers(geometry) + !geometry.fans_of.empty() >
      1) {
    return FieldError(fan_field,
                      "given in several ways; allowed: one of layout/transposed/groups, "
                      "in_axes/out_axes/batch_axes, fan_in/fan_out, fans_of");
  }
  if (!geometry.fans_of.empty()) {
    return FieldError(
        std::string(fan_field) + ".fans_of",
        Quote(geometry.fans_of) + " means nothing outside a recipe with that sibling");
  }
  if (HasNumbers(geometry)) {
    for (const absl::Status& status :
         {CheckNumber(geometry.fan_in, std::string(fan_field) + ".fan_in"),
          CheckNumber(geometry.fan_out, std::string(fan_field) + ".fan_out")}) {
      if (!status.ok()) return status;
    }
    return Fans{geometry.fan_in.value_or(0), geometry.fan_out.value_or(0)};
  }
  if (HasAxes(geometry)) return FansOfAxes(shape, geometry, fan_field);
  return FansOfLayout(shape, geometry, shape_field, fan_field);
}

}  // namespace weightinit
