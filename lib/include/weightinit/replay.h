// What a replayed draw's values follow from besides its own numbers, told apart.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_REPLAY_H_
#define WEIGHTINIT_REPLAY_H_

#include <string>
#include <vector>

#include "weightinit/export.h"
#include "weightinit/plan.h"

namespace weightinit {

// "variant", "AVX2", "DEFAULT".
struct ReplayDifference {
  std::string what, left, right;
};

// Why two random draws start from different words: torch_cpu's variant, version, start and what was
// drawn before; jax_threefry's key and layout. Empty exactly when they start from the same ones.
// REQUIRES: each draw is of its plan; both have the same replay generator
WEIGHTINIT_EXPORT std::vector<ReplayDifference> DiffReplays(const ModelPlan& left,
                                                            const Draw& left_draw,
                                                            const ModelPlan& right,
                                                            const Draw& right_draw);

}  // namespace weightinit

#endif  // WEIGHTINIT_REPLAY_H_
