// fans_of: fans taken from a sibling tensor, as numbers, so that a spec stands on its own.
#ifndef WEIGHTINIT_LIB_RECIPE_SIBLING_FANS_H_
#define WEIGHTINIT_LIB_RECIPE_SIBLING_FANS_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/recipe/match_rules.h"
#include "weightinit/recipe.h"

namespace weightinit {

// Canonical name → index in the recipe.
using NameIndex = std::unordered_map<std::string_view, int>;

class SiblingFans {
 public:
  // All must outlive this.
  SiblingFans(const Recipe& recipe, std::span<const std::string> names, const NameIndex& index,
              const Matching& matching)
      : recipe_(recipe), names_(names), index_(index), matching_(matching) {}

  // How the fans of tensor i are read: its own geometry, else its rule's, else its module's.
  const FanGeometry& GeometryOf(std::size_t i) const;

  // Sets spec.fan, and the fans of parts in spec.view, of tensor i without any fans_of. A tensor of
  // several parts takes the fans of a sibling of as many parts one by one. Errors:
  // INVALID_ARGUMENT.
  absl::Status Resolve(std::size_t i, TensorSpec& spec) const;

 private:
  std::string ViewPathOf(std::size_t i) const;
  absl::Status ResolveParts(std::size_t i, const FanGeometry& geometry, const std::string& path,
                            TensorSpec& spec) const;
  absl::StatusOr<std::vector<FanGeometry>> FansOfSibling(std::size_t i, const FanGeometry& geometry,
                                                         const std::string& path) const;

  const Recipe& recipe_;
  std::span<const std::string> names_;
  const NameIndex& index_;
  const Matching& matching_;
};

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_SIBLING_FANS_H_
