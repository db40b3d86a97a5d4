// The stream that a model's draws are parts of, with torch_cpu.
#ifndef WEIGHTINIT_LIB_PLAN_TORCH_SEQUENCE_H_
#define WEIGHTINIT_LIB_PLAN_TORCH_SEQUENCE_H_

#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "weightinit/plan.h"
#include "weightinit/recipe.h"

namespace weightinit {

// Gives every random draw its step, and says in the tensors' notes what is approximate. `recipe` is
// the expanded one, whose tensors are the plan's; `draw_origin` leads to the draws given;
// `path_of(i)` is where tensor i was said. REQUIRES: recipe.generator is TorchCpu. Errors:
// INVALID_ARGUMENT for what cannot be replayed.
absl::Status AddTorchSequence(const Recipe& recipe, std::span<const int> draw_origin,
                              const std::function<std::string(std::size_t)>& path_of,
                              ModelPlan& plan);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_PLAN_TORCH_SEQUENCE_H_
