#include "lib/layout/range.h"

#include "weightinit/status.h"

namespace weightinit {

absl::StatusOr<BoundRange> BindRange(const Range& range, std::int64_t extent,
                                     const std::string& field) {
  const std::int64_t step = range.step.value_or(1);
  if (step < 1)
    return FieldError(field + ".step", std::to_string(step) + "; allowed: a whole number ≥ 1");
  if (range.start < 0 || range.start > extent) {
    return FieldError(field + ".start",
                      std::to_string(range.start) + " is outside a dimension of size " +
                          std::to_string(extent) + "; allowed: 0 to " + std::to_string(extent));
  }
  const std::int64_t most = range.start == extent ? 0 : (extent - range.start - 1) / step + 1;
  const std::int64_t size = range.size.value_or(most);
  if (size < 0 || size > most) {
    return FieldError(field + ".size",
                      std::to_string(size) + " elements from " + std::to_string(range.start) +
                          " by " + std::to_string(step) + " do not fit a dimension of size " +
                          std::to_string(extent) + "; allowed: 0 to " + std::to_string(most));
  }
  return BoundRange{range.start, size, step};
}

}  // namespace weightinit
