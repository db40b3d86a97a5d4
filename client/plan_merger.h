// Puts the messages of a Plan call together.
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_PLAN_MERGER_H_
#define WEIGHTINIT_CLIENT_PLAN_MERGER_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "weightinit/v1/plan.pb.h"

namespace weightinit::client {

class PlanMerger {
 public:
  // `num_tensors`: of the recipe that was asked about; no answer may have more.
  explicit PlanMerger(std::size_t num_tensors) : max_tensors_(num_tensors) {}

  // Errors: DATA_LOSS for an answer that is out of order or larger than it can be.
  absl::Status Take(const v1::PlanResponse& response);

  // Errors: DATA_LOSS when something is missing.
  absl::StatusOr<PlanAnswer> Finish();

 private:
  const std::size_t max_tensors_;
  PlanAnswer answer_;
  bool has_report_ = false;
  std::size_t bytes_ = 0;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_PLAN_MERGER_H_
