#include "weightinit/shape.h"

#include <limits>

#include "lib/base/text.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find(separator, start);
    parts.push_back(Strip(text.substr(start, end - start)));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

constexpr std::string_view kAllowedRange =
    "; allowed: start:stop:step with 0 ≤ start ≤ stop ≤ size (negative numbers count from the "
    "end), "
    "step ≥ 1";

absl::Status BadRange(std::string_view text, std::string_view reason, std::string_view field) {
  return FieldError(field, Quote(text).append(" ").append(reason).append(kAllowedRange));
}

// "start:stop:step" or a single index over `size` elements.
absl::StatusOr<Range> ParseRange(std::string_view text, std::int64_t size, std::string_view field) {
  const auto parts = Split(text, ':');
  constexpr std::string_view kNoSlice = "is not a slice";
  const std::string outside = "is outside a dimension of size " + std::to_string(size);
  if (parts.size() > 3) return BadRange(text, kNoSlice, field);
  std::int64_t numbers[3] = {0, size, 1};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() && parts.size() > 1) continue;
    const auto number = ReadInteger(parts[i]);
    if (!number.has_value()) return BadRange(text, kNoSlice, field);
    numbers[i] = i < 2 && *number < 0 ? *number + size : *number;
  }
  auto [start, stop, step] = numbers;
  if (parts.size() == 1) {
    if (start < 0 || start >= size) return BadRange(text, outside, field);
    stop = start + 1;
  }
  if (step < 1) return BadRange(text, "has a step below 1", field);
  if (start < 0 || start > size || stop < 0 || stop > size) return BadRange(text, outside, field);
  if (stop < start) return BadRange(text, "stops before it starts", field);
  return Range{start, (stop - start) / step + ((stop - start) % step != 0 ? 1 : 0), step};
}

}  // namespace

std::string ToString(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

absl::StatusOr<std::int64_t> NumElements(std::span<const std::int64_t> shape, DType dtype,
                                         std::string_view field) {
  if (shape.size() > kMaxRank) {
    return FieldError(field, std::to_string(shape.size()) + " dimensions; allowed: at most " +
                                 std::to_string(kMaxRank));
  }
  // The product without zeros: a shape that could never be held is a mistake even if another
  // dimension is 0.
  std::int64_t product = 1;
  bool empty = false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] < 0) {
      return FieldError(std::string(field) + "[" + std::to_string(i) + "]",
                        std::to_string(shape[i]) + " is negative; allowed: a size ≥ 0");
    }
    if (shape[i] == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, shape[i], &product)) {
      return FieldError(field, ToString(shape) + " has 2^63 elements or more; allowed: fewer");
    }
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(product, SizeBytes(dtype), &bytes)) {
    return FieldError(field, ToString(shape) + " of " + std::string(Name(dtype)) +
                                 " has 2^63 bytes or more; allowed: fewer");
  }
  return empty ? 0 : product;
}

absl::StatusOr<Slice> ParseSlice(std::string_view text, std::span<const std::int64_t> shape,
                                 std::string_view field) {
  constexpr std::string_view kFlat = "flat:";
  if (text.substr(0, kFlat.size()) == kFlat) {
    std::int64_t size = 1;
    for (const std::int64_t dim : shape) size *= dim;
    auto range = ParseRange(text.substr(kFlat.size()), size, field);
    if (!range.ok()) return range.status();
    return Slice(*range);
  }
  auto parts = Split(text, ',');
  std::size_t ellipsis = parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] != "...") continue;
    if (ellipsis != parts.size())
      return FieldError(field, Quote(text) + " has two ellipses; allowed: one");
    ellipsis = i;
  }
  const std::size_t given = parts.size() - (ellipsis != parts.size() ? 1 : 0);
  if (given > shape.size() && !(shape.empty() && Strip(text).empty())) {
    return FieldError(field, Quote(text) + " names " + std::to_string(given) +
                                 " dimensions; allowed: at most " + std::to_string(shape.size()) +
                                 ", as in the shape " + ToString(shape));
  }
  Box box;
  const std::size_t whole = shape.size() - std::min(given, shape.size());
  for (std::size_t i = 0; i < parts.size() && box.dims.size() < shape.size(); ++i) {
    if (i == ellipsis) {
      for (std::size_t k = 0; k < whole; ++k) box.dims.emplace_back();
      continue;
    }
    auto range = ParseRange(parts[i], shape[box.dims.size()], field);
    if (!range.ok()) return range.status();
    box.dims.push_back(*range);
  }
  while (box.dims.size() < shape.size()) box.dims.emplace_back();
  return Slice(box);
}

}  // namespace weightinit
