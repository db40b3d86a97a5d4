// Selections: which elements of a plan's tensors are asked for, in which dtype.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_SELECTION_H_
#define WEIGHTINIT_SELECTION_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/export.h"
#include "weightinit/plan.h"
#include "weightinit/shape.h"

namespace weightinit {

struct Selection {
  std::string name;
  Slice slice;
  std::int64_t first_byte = 0;             // of the slice's bytes; a whole number of elements
  std::optional<std::int64_t> byte_count;  // likewise; default: to the end
  std::optional<DType> dtype;              // default: the tensor's
};

// A selection checked against a plan. Element j of the slice (row-major over `shape`) is the
// tensor's element with logical index base + Σ_d j_d·strides[d].
struct BoundSelection {
  int tensor = 0;  // index into ModelPlan::tensors
  DType dtype = DType::kFloat32;
  Shape shape;                        // of the slice
  std::int64_t base = 0;              // logical index of the slice's first element
  std::vector<std::int64_t> strides;  // per dimension of `shape`, in elements of the full tensor
  std::int64_t first = 0;             // elements [first, first + count) of the slice are asked for
  std::int64_t count = 0;

  std::int64_t num_bytes() const { return count * SizeBytes(dtype); }
};

// Errors: NOT_FOUND (name), INVALID_ARGUMENT (slice outside the shape, bytes that cut an element, a
// dtype that cannot hold the values), with paths below `field` ("selections[2]":
// ….slice.box.dims[1].start …).
WEIGHTINIT_EXPORT absl::StatusOr<BoundSelection> Bind(const ModelPlan& plan,
                                                      const Selection& selection,
                                                      std::string_view field);

// Binds each at "FIELD[i]"; none at all selects everything. Two different names that land on one
// tensor are refused.
WEIGHTINIT_EXPORT absl::StatusOr<std::vector<BoundSelection>> BindAll(
    const ModelPlan& plan, std::span<const Selection> selections,
    std::string_view field = "selections");

// A selection and the plan that it is of, for requests of several plans. REQUIRES: plan ≠ nullptr
struct SelectionOf {
  const ModelPlan* plan = nullptr;
  Selection selection;
};
WEIGHTINIT_EXPORT absl::StatusOr<std::vector<BoundSelection>> BindAll(
    std::span<const SelectionOf> selections, std::string_view field = "selections");

// The part [first, first + count) of what is selected. REQUIRES: 0 ≤ first, first + count ≤
// selection.count
WEIGHTINIT_EXPORT BoundSelection Part(const BoundSelection& selection, std::int64_t first,
                                      std::int64_t count);

// Everything, one selection per tensor, in recipe order.
WEIGHTINIT_EXPORT std::vector<BoundSelection> SelectAll(const ModelPlan& plan);

// What one request may cost. A refusal names the limit, its value and the flag that sets it.
struct Limits {
  // Of what is asked for, not of the full shapes. Flag --max-response-bytes.
  std::int64_t max_response_bytes = std::int64_t{2} << 40;
  // Memory that making a matrix takes at its peak, where any part needs it whole: orthogonal and
  // delta_orthogonal about 12 bytes per element (more for a short side below 16, which counts as
  // 16), sparse 8 bytes per column and up to 16 columns of more than 2^20 rows. Flag
  // --max-matrix-bytes.
  std::int64_t max_matrix_bytes = std::int64_t{4} << 30;
};

// Errors: RESOURCE_EXHAUSTED.
WEIGHTINIT_EXPORT absl::Status CheckLimits(const ModelPlan& plan,
                                           std::span<const BoundSelection> selections,
                                           const Limits& limits);

// The same for selections of several plans, together.
struct BoundSelectionOf {
  const ModelPlan* plan = nullptr;
  const BoundSelection* selection = nullptr;
};
WEIGHTINIT_EXPORT absl::Status CheckLimits(std::span<const BoundSelectionOf> selections,
                                           const Limits& limits);

}  // namespace weightinit

#endif  // WEIGHTINIT_SELECTION_H_
