// Ranges checked against the dimension that they are of.
#ifndef WEIGHTINIT_LIB_LAYOUT_RANGE_H_
#define WEIGHTINIT_LIB_LAYOUT_RANGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "weightinit/shape.h"

namespace weightinit {

struct BoundRange {
  std::int64_t start, size, step;
};

// Errors: INVALID_ARGUMENT below `field` (".start", ".size", ".step").
absl::StatusOr<BoundRange> BindRange(const Range& range, std::int64_t extent,
                                     const std::string& field);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_LAYOUT_RANGE_H_
