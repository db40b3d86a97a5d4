// What one request may cost.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "lib/base/text.h"
#include "lib/plan/torch_stream.h"
#include "lib/source/source.h"
#include "weightinit/selection.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

// The matrices that drawing the tensor holds at one time. Those of a view are made when its rows
// first need them and let go after the last, so what counts are those whose rows overlap.
std::int64_t MatrixBytesOf(const ModelPlan& plan, int tensor) {
  if (!IsMadeWhole(plan, tensor)) return 0;
  const auto bytes_of = [&](int draw) {
    return MatrixBytes(plan.draws[static_cast<std::size_t>(draw)]);
  };
  const Layout& layout = plan.tensors[static_cast<std::size_t>(tensor)].layout;
  if (const auto* identity = std::get_if<IdentityLayout>(&layout)) return bytes_of(identity->draw);
  std::map<int, std::pair<std::int64_t, std::int64_t>> rows_of_draw;  // first, end
  for (const Tile& tile : std::get<TiledLayout>(layout).tiles) {
    if (tile.draw == Tile::kZeros || bytes_of(tile.draw) == 0) continue;
    const std::int64_t first = tile.dims[0].start, end = first + tile.dims[0].size;
    auto& rows = rows_of_draw.try_emplace(tile.draw, first, end).first->second;
    rows = {std::min(rows.first, first), std::max(rows.second, end)};
  }
  std::map<std::int64_t, double> change_at_row;
  for (const auto& [draw, rows] : rows_of_draw) {
    const auto bytes = static_cast<double>(bytes_of(draw));
    change_at_row[rows.first] += bytes;
    change_at_row[rows.second] -= bytes;
  }
  double held = 0, most = 0;
  for (const auto& [row, change] : change_at_row) most = std::max(most, held += change);
  return most < 0x1p63 ? static_cast<std::int64_t>(most) : std::numeric_limits<std::int64_t>::max();
}

absl::Status TooMuch(const TensorPlan& tensor, const std::string& why, std::int64_t bytes,
                     const Limits& limits) {
  return FieldError("max_matrix_bytes",
                    Quote(tensor.name) + " " + ToString(tensor.shape) + " " + why +
                        ", which takes " + std::to_string(bytes) + " bytes of memory, more than " +
                        std::to_string(limits.max_matrix_bytes) + "; raise --max-matrix-bytes",
                    absl::StatusCode::kResourceExhausted);
}

// A replayed stream is passed over up to the tensor: some of its steps are made whole for that too.
absl::Status CheckWhatPrecedes(const ModelPlan& plan, int tensor, const Limits& limits) {
  for (const Draw& draw : plan.DrawsOf(tensor)) {
    if (draw.sequence == nullptr || draw.step == 0) continue;
    const auto& peaks = draw.sequence->peak_bytes;
    const auto before = peaks.begin() + draw.step;
    if (*(before - 1) <= limits.max_matrix_bytes) continue;
    const auto first = std::upper_bound(peaks.begin(), before, limits.max_matrix_bytes);
    const auto& step = draw.sequence->steps[static_cast<std::size_t>(first - peaks.begin())];
    const TensorPlan& earlier = plan.tensors[static_cast<std::size_t>(step.tensor)];
    return TooMuch(plan.tensors[static_cast<std::size_t>(tensor)],
                   "is drawn after " + Quote(earlier.name) + " " + ToString(earlier.shape) +
                       ", whose draw must be made whole to pass over it",
                   *first, limits);
  }
  return absl::OkStatus();
}

}  // namespace

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
    // First what precedes: a tensor's own matrices count it too, and would be blamed for it.
    const absl::Status status = CheckWhatPrecedes(*plan, selection->tensor, limits);
    if (!status.ok()) return status;
    const std::int64_t matrix_bytes = MatrixBytesOf(*plan, selection->tensor);
    if (matrix_bytes > limits.max_matrix_bytes) {
      return TooMuch(plan->tensors[static_cast<std::size_t>(selection->tensor)],
                     "needs a matrix made whole for any part of it", matrix_bytes, limits);
    }
  }
  return absl::OkStatus();
}

}  // namespace weightinit
