// The order in which a replayed stream is drawn.
#ifndef WEIGHTINIT_LIB_RECIPE_REPLAY_DRAWS_H_
#define WEIGHTINIT_LIB_RECIPE_REPLAY_DRAWS_H_

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/recipe/sibling_fans.h"
#include "weightinit/recipe.h"

namespace weightinit {

struct ReplayDraws {
  Recipe recipe;            // draws by canonical name alone; a tensor's init is its last draw's
  std::vector<int> origin;  // per draw, the index in what was given
};

// `names` are the tensors' canonical names, `index` leads back. REQUIRES: a replay generator.
// Errors: INVALID_ARGUMENT below "draws".
absl::StatusOr<ReplayDraws> FollowDraws(const Recipe& recipe, std::span<const std::string> names,
                                        const NameIndex& index);

inline std::string DrawPath(std::size_t index) { return "draws[" + std::to_string(index) + "]"; }

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_RECIPE_REPLAY_DRAWS_H_
