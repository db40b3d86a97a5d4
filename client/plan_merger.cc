#include "client/plan_merger.h"

#include <utility>

namespace weightinit::client {

absl::Status PlanMerger::Take(const v1::PlanResponse& response) {
  // A tensor's plan is about 1 KiB; a server that sends a hundred times that is up to something.
  constexpr std::size_t kBytesPerTensor = std::size_t{100} << 10;
  constexpr std::size_t kBytesForReport = std::size_t{64} << 20;
  bytes_ += response.ByteSizeLong();
  if (bytes_ > kBytesForReport + max_tensors_ * kBytesPerTensor) {
    return absl::DataLossError("the server's plan is larger than any of this recipe can be");
  }
  if (response.has_report()) {
    if (!answer_.tensors.empty()) return absl::DataLossError("the server's plan is out of order");
    // Later reports hold more entries of the same lists.
    answer_.report.MergeFrom(response.report());
    has_report_ = true;
    return absl::OkStatus();
  }
  if (!response.has_page() || !has_report_) {
    return absl::DataLossError("the server's plan is out of order");
  }
  answer_.tensors.insert(answer_.tensors.end(), response.page().tensors().begin(),
                         response.page().tensors().end());
  if (answer_.tensors.size() > max_tensors_) {
    return absl::DataLossError("the server's plan has more tensors than the recipe");
  }
  return absl::OkStatus();
}

absl::StatusOr<PlanAnswer> PlanMerger::Finish() {
  if (!has_report_ || answer_.report.tensor_count() != answer_.tensors.size()) {
    return absl::DataLossError("the server's plan is incomplete");
  }
  return std::move(answer_);
}

}  // namespace weightinit::client
