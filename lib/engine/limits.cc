// What one request may cost.
#include "lib/base/text.h"
#include "lib/source/source.h"
#include "weightinit/selection.h"
#include "weightinit/status.h"

namespace weightinit {

absl::Status CheckLimits(const ModelPlan& plan, std::span<const BoundSelection> selections,
                         const Limits& limits) {
  std::vector<BoundSelectionOf> of_plan;
  of_plan.reserve(selections.size());
  for (const BoundSelection& selection : selections) of_plan.push_back({&plan, &selection});
  return CheckLimits(of_plan, limits);
}

absl::Status CheckLimits(std::span<const BoundSelectionOf> selections, const Limits& limits) {
  std::int64_t bytes = 0;
  for (const auto& [plan, selection] : selections) {
    if (__builtin_add_overflow(bytes, selection->num_bytes(), &bytes) ||
        bytes > limits.max_response_bytes) {
      return FieldError("max_response_bytes",
                        "the request asks for more than " +
                            std::to_string(limits.max_response_bytes) +
                            " bytes; ask for less, or raise --max-response-bytes",
                        absl::StatusCode::kResourceExhausted);
    }
    if (selection->count == 0) continue;
    const std::int64_t matrix_bytes = MatrixBytes(plan->DrawOf(selection->tensor).distribution);
    if (matrix_bytes > limits.max_matrix_bytes) {
      const TensorPlan& tensor = plan->tensors[static_cast<std::size_t>(selection->tensor)];
      return FieldError("max_matrix_bytes",
                        Quote(tensor.name) + " " + ToString(tensor.shape) +
                            " needs a matrix made whole for any part of it, which takes " +
                            std::to_string(matrix_bytes) + " bytes of memory, more than " +
                            std::to_string(limits.max_matrix_bytes) + "; raise --max-matrix-bytes",
                        absl::StatusCode::kResourceExhausted);
    }
  }
  return absl::OkStatus();
}

}  // namespace weightinit
