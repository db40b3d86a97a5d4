// Fans: how many inputs and outputs meet in a weight, read off its full shape.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_FANS_H_
#define WEIGHTINIT_FANS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/export.h"

namespace weightinit {

// OUT_IN is torch's (out, in/groups, k…), IN_OUT is Keras' and Flax' (k…, in/groups, out).
enum class FanLayout : std::uint8_t { kOutIn = 1, kInOut };

// "OUT_IN", "IN_OUT"
WEIGHTINIT_EXPORT std::string_view Name(FanLayout layout);

// Fan geometry: one of four ways. With nothing said the fans are torch.nn.init's. Fans always come
// from the full shape.
struct FanGeometry {
  // 1. A layout. Transposed convolutions hold (in, out/groups, k…) or, with IN_OUT, (k…,
  // out/groups, in).
  std::optional<FanLayout> layout;  // default OUT_IN
  bool transposed = false;
  std::optional<std::int64_t> groups;  // ≥ 1, divides the dimension it splits; default 1
  // 2. Axes, as in JAX: fan_in = Π in_axes · receptive field, which is what neither in, out nor
  // batch axes name. Negative axes count from the end.
  std::vector<std::int64_t> in_axes, out_axes, batch_axes;
  // 3. Numbers > 0. The fan that is not given cannot be used.
  std::optional<double> fan_in, fan_out;
  // 4. The fans of the sibling tensor with this last name segment, e.g. "weight" (what torch uses
  // for a bias).
  std::string fans_of;

  friend bool operator==(const FanGeometry&, const FanGeometry&) = default;
};

struct Fans {
  double in = 0, out = 0;  // 0: not known
  friend bool operator==(const Fans&, const Fans&) = default;
};

// The fans of a tensor of this shape. With nothing said in `geometry`:
// torch.nn.init._calculate_fan_in_and_fan_out, i.e. (out, in, k…): fan_in = in·Πk, fan_out =
// out·Πk. Groups divide the dimension that holds all groups; a receptive field multiplies both.
// REQUIRES: geometry.fans_of is empty (Expand replaces it by numbers).
// Errors: INVALID_ARGUMENT at `shape_field` (too few dimensions) or below `fan_field` (".groups",
// ".in_axes[0]" …).
WEIGHTINIT_EXPORT absl::StatusOr<Fans> ComputeFans(std::span<const std::int64_t> shape,
                                                   const FanGeometry& geometry,
                                                   std::string_view shape_field = "shape",
                                                   std::string_view fan_field = "fan");

}  // namespace weightinit

#endif  // WEIGHTINIT_FANS_H_
