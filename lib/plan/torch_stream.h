// A replayed stream: everything that is drawn from one generator, in order.
//
// Thread-safety: values; const member functions may be called from several threads at once.
#ifndef WEIGHTINIT_LIB_PLAN_TORCH_STREAM_H_
#define WEIGHTINIT_LIB_PLAN_TORCH_STREAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "lib/base/torch_dialect.h"
#include "lib/base/torch_state.h"
#include "weightinit/dtype.h"
#include "weightinit/plan.h"

namespace weightinit::torch_cpu {

// One fill. Its distribution is random, its elements are at least one.
struct Step {
  Distribution distribution;
  DType dtype = DType::kFloat32;
  std::int64_t elements = 0;
  int tensor = -1;  // whose it is, in the plan
};

struct Sequence {
  Dialect dialect;
  State start;
  std::vector<Step> steps;
  // Before each step, and after the last: a hash of the dialect, the start and all steps up to
  // there. Equal keys, equal states.
  std::vector<Fingerprint> keys;
  // The memory that reaching each step takes at its peak, in bytes; saturates.
  std::vector<std::int64_t> peak_bytes;
};

// Keys and peaks follow from the rest. REQUIRES: nothing refuses a step
Sequence MakeSequence(const Dialect& dialect, const State& start, std::vector<Step> steps);

// Why a step cannot be replayed; empty if it can.
std::string RefusalOf(const Dialect& dialect, const Step& step);

// What torch may do otherwise than the replay, "approximate: …"; empty if nothing.
std::string ApproximationOf(const Dialect& dialect, const Step& step);

TruncNormalFill FillOf(const TruncatedNormalWith& distribution);

// Whether any element of the step needs all others: sparse, orthogonal, trunc_normal since 2.12.
bool IsMadeWhole(const Dialect& dialect, const Step& step);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_LIB_PLAN_TORCH_STREAM_H_
