// What there is to say of a replay: which dialect it is, where it starts, what is only near.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_CLI_REPLAY_TEXT_H_
#define WEIGHTINIT_CLIENT_CLI_REPLAY_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

#include "weightinit/plan.h"
#include "weightinit/recipe.h"

namespace weightinit::client {

// "AVX2 2.11", "PARTITIONABLE, fold_in 3, 1"; empty of philox_v1, which has one.
std::string DialectText(const Generator& generator);

// "philox_v1", "torch_cpu AVX2 2.11"
std::string GeneratorText(const Generator& generator);

// Whether the words follow from a state, not from the seed.
bool StartsFromState(const Generator& generator);

// Tensors that are near what a framework would have drawn, for one reason.
struct Approximation {
  std::string reason;
  std::vector<std::string> tensors;
};

// Adds the tensor if the note says that it is approximate.
void AddApproximation(std::string_view tensor, std::string_view note,
                      std::vector<Approximation>& approximations);

// "approximate: within about 1e-6 (fc1.weight, fc2.weight, fc3.weight, … and 3 more)"
std::string ApproximationText(const Approximation& approximation);

// The same in one line for all that are selected; empty if nothing is approximate.
std::string ApproximationWarning(const ModelPlan& plan, const std::vector<int>& tensors);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_REPLAY_TEXT_H_
