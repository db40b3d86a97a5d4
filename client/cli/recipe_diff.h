// What two recipes would draw differently, and why. Plans are compared; nothing is drawn.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_CLI_RECIPE_DIFF_H_
#define WEIGHTINIT_CLIENT_CLI_RECIPE_DIFF_H_

#include <string>
#include <vector>

#include "weightinit/plan.h"

namespace weightinit::client {

struct TensorDifference {
  // One reason why values differ: "std", "0.02", "0.01". A tensor that only one recipe has says
  // so in `what`, with its shape on that side.
  struct Reason {
    std::string what, left, right;
  };
  std::string name;
  std::vector<Reason> reasons;
};

// Tensors of the left recipe in its order, then those that only the right one has. Empty exactly
// when the fingerprints are equal: where nothing else tells them apart, they themselves are the one
// difference, of no name.
std::vector<TensorDifference> DiffPlans(const ModelPlan& left, const ModelPlan& right);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_RECIPE_DIFF_H_
