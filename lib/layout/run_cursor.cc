#include "lib/layout/run_cursor.h"

#include <algorithm>

namespace weightinit {

RunCursor::RunCursor(const BoundSelection& selection, std::int64_t first, std::int64_t count)
    : index_(selection.base), left_(count) {
  if (count == 0) return;
  for (std::size_t d = 0; d < selection.shape.size(); ++d) {
    const Dim dim{selection.shape[d], selection.strides[d], 0};
    if (dim.size == 1) continue;
    if (!outer_.empty() && outer_.back().stride == dim.size * dim.stride) {
      outer_.back() = {outer_.back().size * dim.size, dim.stride, 0};
    } else {
      outer_.push_back(dim);
    }
  }
  if (!outer_.empty()) {
    inner_ = outer_.back();
    outer_.pop_back();
  }
  inner_.position = first % inner_.size;
  index_ += inner_.position * inner_.stride;
  std::int64_t rest = first / inner_.size;
  for (std::size_t d = outer_.size(); d-- > 0;) {
    Dim& dim = outer_[d];
    dim.position = rest % dim.size;
    index_ += dim.position * dim.stride;
    rest /= dim.size;
  }
}

bool RunCursor::Next(Run& run) {
  if (left_ == 0) return false;
  run.index = index_;
  run.stride = inner_.stride;
  run.count = std::min(left_, inner_.size - inner_.position);
  left_ -= run.count;
  if (left_ == 0) return true;
  // The run ended with its row: on to the next one.
  index_ -= inner_.position * inner_.stride;
  inner_.position = 0;
  for (std::size_t d = outer_.size(); d-- > 0;) {
    Dim& dim = outer_[d];
    index_ += dim.stride;
    if (++dim.position < dim.size) break;
    index_ -= dim.size * dim.stride;
    dim.position = 0;
  }
  return true;
}

}  // namespace weightinit
