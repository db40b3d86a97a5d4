#include "client/formats/stored_slices.h"

#include <utility>
#include <variant>

#include "client/formats/document.h"
#include "nlohmann/json.hpp"
#include "weightinit/plan.h"

namespace weightinit::client {

std::string SliceText(const Slice& slice, const Shape& shape) {
  const auto text = [](const Range& range, std::int64_t size) {
    const std::int64_t step = range.step.value_or(1);
    const std::int64_t stop = range.start + (size > 0 ? (size - 1) * step + 1 : 0);
    return std::to_string(range.start) + ":" + std::to_string(stop) +
           (step == 1 ? "" : ":" + std::to_string(step));
  };
  if (const auto* flat = std::get_if<Range>(&slice)) return "flat:" + text(*flat, shape[0]);
  std::string dims;
  if (const auto* box = std::get_if<Box>(&slice)) {
    for (std::size_t d = 0; d < box->dims.size(); ++d) {
      dims += (d == 0 ? "" : ",") + text(box->dims[d], shape[d]);
    }
  }
  return dims;
}

std::string SlicesText(const StoredSlices& slices) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [name, part] : slices) {
    json[name] = {{"shape", part.shape}, {"slice", part.slice}};
  }
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<StoredSlices> ParseStoredSlices(const SafetensorsHeader& header,
                                               std::string_view file) {
  StoredSlices slices;
  const auto found = header.metadata.find(kSlicesKey);
  if (found == header.metadata.end()) return slices;
  const absl::Status error = absl::InvalidArgumentError(std::string(file) + ": " + kSlicesKey +
                                                        " in its metadata is no list of slices");
  // A tree takes several times its text.
  if (found->second.size() > Document::kMaxFileBytes) return error;
  const auto json = nlohmann::json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return error;
  for (const auto& [name, part] : json.items()) {
    if (!part.is_object() || part.size() != 2 || !part.contains("shape") ||
        !part.contains("slice") || !part["shape"].is_array() || !part["slice"].is_string()) {
      return error;
    }
    StoredSlice& slice = slices[name];
    slice.slice = part["slice"];
    for (const auto& dim : part["shape"]) {
      if (!dim.is_number_integer()) return error;
      slice.shape.push_back(dim);
    }
  }
  return slices;
}

absl::StatusOr<StoredPart> PartOf(const SafetensorsTensor& tensor, const StoredSlices& slices,
                                  std::string_view file) {
  const auto stored = slices.find(tensor.name);
  const bool is_whole = stored == slices.end();
  TensorSpec spec;
  spec.dtype = tensor.dtype;
  spec.init = Zeros{};  // of a tensor without values the shape alone counts
  spec.shape = is_whole ? tensor.shape : stored->second.shape;
  absl::Status error = absl::InvalidArgumentError(
      std::string(file) + ": tensor '" + tensor.name + "' has shape " + ToString(tensor.shape) +
      (is_whole ? ", which is none"
                : ", which its metadata denies: " + stored->second.slice + " of " +
                      ToString(stored->second.shape)));
  const absl::StatusOr<ModelPlan> plan = ResolveTensor(spec, 0, Generator{});
  if (!plan.ok()) return error;
  Selection selection;
  if (!is_whole) {
    absl::StatusOr<Slice> slice = ParseSlice(stored->second.slice, spec.shape);
    if (!slice.ok()) return error;
    selection.slice = *std::move(slice);
  }
  absl::StatusOr<BoundSelection> bound = Bind(*plan, selection, "slice");
  if (!bound.ok() || bound->shape != tensor.shape) return error;
  return StoredPart{spec.shape, selection.slice, *std::move(bound), is_whole};
}

}  // namespace weightinit::client
