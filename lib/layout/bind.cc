// Selections checked against their plans.
#include <cmath>
#include <map>
#include <utility>

#include "lib/base/text.h"
#include "lib/layout/range.h"
#include "weightinit/selection.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

std::int64_t SizeOf(std::span<const std::int64_t> shape) {
  std::int64_t size = 1;
  for (const std::int64_t dim : shape) size *= dim;
  return size;
}

// Row-major strides of the box's dimensions in the full tensor.
absl::Status BindBox(const Box& box, std::span<const std::int64_t> shape, const std::string& field,
                     BoundSelection& bound) {
  if (box.dims.size() != shape.size()) {
    return FieldError(field + ".box.dims",
                      std::to_string(box.dims.size()) + " ranges for the shape " + ToString(shape) +
                          "; allowed: one per dimension, " + std::to_string(shape.size()));
  }
  bound.shape.resize(shape.size());
  bound.strides.resize(shape.size());
  std::int64_t row_stride = 1;
  bool empty = false;
  for (std::size_t d = shape.size(); d-- > 0;) {
    auto range = BindRange(box.dims[d], shape[d], field + ".box.dims[" + std::to_string(d) + "]");
    if (!range.ok()) return range.status();
    bound.shape[d] = range->size;
    // A dimension of one element never steps; its stride might overflow.
    bound.strides[d] = range->size > 1 ? range->step * row_stride : 0;
    if (range->size == 0) empty = true;
    bound.base += range->size > 0 ? range->start * row_stride : 0;
    row_stride *= shape[d];
  }
  if (empty) bound.base = 0;
  return absl::OkStatus();
}

absl::Status BindFlat(const Range& flat, std::span<const std::int64_t> shape,
                      const std::string& field, BoundSelection& bound) {
  auto range = BindRange(flat, SizeOf(shape), field + ".flat");
  if (!range.ok()) return range.status();
  bound.shape = {range->size};
  bound.strides = {range->step};
  bound.base = range->size > 0 ? range->start : 0;
  return absl::OkStatus();
}

absl::Status BindBytes(const Selection& selection, const std::string& prefix,
                       BoundSelection& bound) {
  const std::int64_t element = SizeBytes(bound.dtype);
  std::int64_t total = 0;
  if (__builtin_mul_overflow(SizeOf(bound.shape), element, &total)) {
    return FieldError(prefix + "dtype", std::string(Name(bound.dtype)) +
                                            ": the slice has 2^63 bytes or more; allowed: fewer");
  }
  if (selection.first_byte < 0 || selection.first_byte > total ||
      selection.first_byte % element != 0) {
    return FieldError(prefix + "first_byte",
                      std::to_string(selection.first_byte) + "; allowed: a multiple of " +
                          std::to_string(element) + " from 0 to " + std::to_string(total));
  }
  const std::int64_t most = total - selection.first_byte;
  const std::int64_t count = selection.byte_count.value_or(most);
  if (count < 0 || count > most || count % element != 0) {
    return FieldError(prefix + "byte_count", std::to_string(count) + "; allowed: a multiple of " +
                                                 std::to_string(element) + " from 0 to " +
                                                 std::to_string(most));
  }
  bound.first = selection.first_byte / element;
  bound.count = count / element;
  return absl::OkStatus();
}

// Integers hold zeros, ones and whole constants alone; whether they do was decided for the tensor's
// own dtype.
absl::Status CheckDType(const ModelPlan& plan, const BoundSelection& bound,
                        const std::string& prefix) {
  const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(bound.tensor)];
  if (bound.dtype == tensor.dtype) return absl::OkStatus();
  // A constant of FLOAT64 may lie beyond binary32, which all other floating dtypes are made from.
  for (const Draw& draw : plan.DrawsOf(bound.tensor)) {
    const auto* filled = std::get_if<FilledWith>(&draw.distribution);
    if (filled != nullptr && IsFloatingPoint(bound.dtype) && bound.dtype != DType::kFloat64 &&
        !std::isfinite(static_cast<float>(filled->value))) {
      return FieldError(prefix + "dtype", std::string(Name(bound.dtype)) +
                                              " cannot hold the value " +
                                              FormatNumber(filled->value) + "; allowed: FLOAT64");
    }
  }
  if (IsFloatingPoint(bound.dtype)) return absl::OkStatus();
  return FieldError(prefix + "dtype", std::string(Name(bound.dtype)) + " for a tensor of " +
                                          std::string(Name(tensor.dtype)) +
                                          "; allowed: a floating-point dtype, or the tensor's own");
}

}  // namespace

absl::StatusOr<BoundSelection> Bind(const ModelPlan& plan, const Selection& selection,
                                    std::string_view field) {
  const std::string prefix = field.empty() ? "" : std::string(field) + ".";
  auto index = FindTensor(plan, selection.name, prefix + "name");
  if (!index.ok()) return index.status();
  const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(*index)];
  BoundSelection bound;
  bound.tensor = *index;
  bound.dtype = selection.dtype.value_or(tensor.dtype);
  const std::string slice_field = prefix + "slice";
  absl::Status status = CheckDType(plan, bound, prefix);
  if (status.ok()) {
    if (const auto* box = std::get_if<Box>(&selection.slice)) {
      status = BindBox(*box, tensor.shape, slice_field, bound);
    } else if (const auto* flat = std::get_if<Range>(&selection.slice)) {
      status = BindFlat(*flat, tensor.shape, slice_field, bound);
    } else {
      status =
          BindBox(Box{std::vector<Range>(tensor.shape.size())}, tensor.shape, slice_field, bound);
    }
  }
  if (status.ok()) status = BindBytes(selection, prefix, bound);
  if (!status.ok()) return status;
  return bound;
}

absl::StatusOr<std::vector<BoundSelection>> BindAll(const ModelPlan& plan,
                                                    std::span<const Selection> selections,
                                                    std::string_view field) {
  if (selections.empty()) return SelectAll(plan);
  std::vector<SelectionOf> of_plan;
  of_plan.reserve(selections.size());
  for (const Selection& selection : selections) of_plan.push_back({&plan, selection});
  return BindAll(of_plan, field);
}

absl::StatusOr<std::vector<BoundSelection>> BindAll(std::span<const SelectionOf> selections,
                                                    std::string_view field) {
  std::vector<BoundSelection> bound;
  std::map<std::pair<const ModelPlan*, int>, std::string_view> name_of_tensor;
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const auto& [plan, selection] = selections[i];
    const std::string path = std::string(field) + "[" + std::to_string(i) + "]";
    auto one = Bind(*plan, selection, path);
    if (!one.ok()) return one.status();
    const auto [earlier, inserted] =
        name_of_tensor.emplace(std::pair{plan, one->tensor}, selection.name);
    if (!inserted && earlier->second != selection.name) {
      return FieldError(path + ".name",
                        Quote(selection.name) + " and " + Quote(earlier->second) +
                            " mean the same tensor " +
                            Quote(plan->tensors[static_cast<std::size_t>(one->tensor)].name) +
                            "; allowed: one name for one tensor");
    }
    bound.push_back(*std::move(one));
  }
  return bound;
}

BoundSelection Part(const BoundSelection& selection, std::int64_t first, std::int64_t count) {
  BoundSelection part = selection;
  part.first += first;
  part.count = count;
  return part;
}

std::vector<BoundSelection> SelectAll(const ModelPlan& plan) {
  std::vector<BoundSelection> all;
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const TensorPlan& tensor = plan.tensors[i];
    BoundSelection bound;
    bound.tensor = static_cast<int>(i);
    bound.dtype = tensor.dtype;
    bound.count = tensor.num_elements;
    // Cannot fail: the whole of a planned tensor.
    static_cast<void>(
        BindBox(Box{std::vector<Range>(tensor.shape.size())}, tensor.shape, "", bound));
    all.push_back(std::move(bound));
  }
  return all;
}

}  // namespace weightinit
