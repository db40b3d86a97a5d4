#include "client/cli/drawing.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/formats/npy.h"
#include "client/printable.h"
#include "weightinit/recipe.h"
#include "weightinit/sink.h"

namespace weightinit::client {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// What is about to be drawn, digests still open.
Drawn Prepare(const ModelPlan& plan, std::span<const BoundSelection> selections,
              bool single_tensor) {
  Drawn drawn;
  bool whole = selections.size() == plan.tensors.size();
  for (const BoundSelection& selection : selections) {
    const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(selection.tensor)];
    drawn.tensors.push_back({tensor.name, selection.dtype, selection.shape, selection.num_bytes(),
                             0, DigestWeight(tensor.name, selection.dtype, tensor.shape)});
    whole = whole && selection.count == tensor.num_elements;
  }
  drawn.what = single_tensor ? DigestOfWhat::kTensor
               : whole       ? DigestOfWhat::kModel
                             : DigestOfWhat::kSelection;
  return drawn;
}

// As ParseSlice reads it. `shape` is that of the slice.
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

std::map<std::string, std::string> MetadataOf(const ModelPlan& plan,
                                              std::span<const Selection> selections,
                                              const Drawn& drawn) {
  // Loaders of checkpoints look for "format"; "pt" says that the shapes are torch's.
  std::map<std::string, std::string> metadata = {
      {"format", "pt"},
      {"weightinit." + DigestName(drawn.what, "_"), DigestText(drawn.digest())},
      {"weightinit.fingerprint", ToHex(plan.fingerprint)},
      {"weightinit.generator", std::string(Name(plan.generator))},
      {"weightinit.seed", std::to_string(plan.seed)}};
  if (drawn.what == DigestOfWhat::kTensor && !selections.empty()) {
    metadata[kShapeKey] = ToString(plan.tensors[0].shape);
    metadata[kSliceKey] = SliceText(selections[0].slice, drawn.tensors[0].shape);
  }
  return metadata;
}

}  // namespace

std::string DigestName(DigestOfWhat what, std::string_view between) {
  if (what == DigestOfWhat::kTensor) return "digest";
  return (what == DigestOfWhat::kModel ? "model" : "selection") + std::string(between) +
         (between.empty() ? "Digest" : "digest");
}

std::int64_t Drawn::num_bytes() const {
  std::int64_t total = 0;
  for (const DrawnTensor& tensor : tensors) total += tensor.num_bytes;
  return total;
}

std::uint64_t Drawn::digest() const {
  if (what == DigestOfWhat::kTensor) return tensors[0].digest;
  std::uint64_t total = 0;
  for (const DrawnTensor& tensor : tensors) total += tensor.digest_weight * tensor.digest;
  return total;
}

absl::StatusOr<Drawn> DrawInto(const std::string& path, const Model& model,
                               std::span<const Selection> selections, bool single_tensor,
                               Session& session) {
  const absl::StatusOr<OutputKind> kind = OutputKindOf(path);
  if (!kind.ok()) return kind.status();
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  Drawn drawn = Prepare(model.plan, *bound, single_tensor);
  std::vector<OutputItem> items;
  for (const DrawnTensor& tensor : drawn.tensors) {
    items.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.num_bytes});
  }
  if (*kind == OutputKind::kNpy && !NpyHasDType(drawn.tensors[0].dtype)) {
    session.Warn("NumPy has no " + std::string(Name(drawn.tensors[0].dtype)) +
                 ": its bits are written as " + std::string(NpyDescr(drawn.tensors[0].dtype)));
  }

  absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
  if (!backend.ok()) return backend.status();
  const Clock::time_point start = Clock::now();
  {
    Progress progress(drawn.num_bytes(), session.show_progress());
    absl::StatusOr<std::unique_ptr<Output>> output =
        Output::Create(path, std::move(items), MetadataOf(model.plan, selections, drawn), progress);
    if (!output.ok()) return output.status();
    // Nobody sees the digest of what goes to stdout; drawing is faster without it.
    const ReadOptions options{.digest = *kind != OutputKind::kStdout};
    absl::Status status =
        (*backend)->Read(model, selections, options, (*output)->receiver(), session.stop());
    if (!status.ok()) return status;
    for (std::size_t i = 0; i < drawn.tensors.size(); ++i) {
      drawn.tensors[i].digest = (*output)->digests()[i];
    }
    status = (*output)->Finish(MetadataOf(model.plan, selections, drawn));
    if (!status.ok()) return status;
  }
  drawn.seconds = SecondsSince(start);
  return drawn;
}

absl::StatusOr<Drawn> DrawAndSummarize(
    const Model& model, std::span<const Selection> selections, bool single_tensor,
    int histogram_bins, Session& session,
    const std::function<void(const v1::SummarizeResponse&)>& take) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  Drawn drawn = Prepare(model.plan, *bound, single_tensor);
  absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
  if (!backend.ok()) return backend.status();
  const Clock::time_point start = Clock::now();
  {
    Progress progress(drawn.num_bytes(), session.show_progress());
    std::size_t next = 0;
    absl::Status status = (*backend)->Summarize(
        model, selections, histogram_bins,
        [&](const v1::SummarizeResponse& summary) {
          DrawnTensor& tensor = drawn.tensors[next++];
          tensor.digest = summary.digest();
          progress.Add(tensor.num_bytes);
          take(summary);
          return absl::OkStatus();
        },
        session.stop());
    if (!status.ok()) return status;
  }
  drawn.seconds = SecondsSince(start);
  return drawn;
}

nlohmann::ordered_json TensorsJson(const Drawn& drawn) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const DrawnTensor& tensor : drawn.tensors) {
    nlohmann::ordered_json entry;
    entry["name"] = tensor.name;
    entry["dtype"] = Name(tensor.dtype);
    entry["shape"] = tensor.shape;
    entry["bytes"] = tensor.num_bytes;
    entry["digest"] = DigestText(tensor.digest);
    json.push_back(std::move(entry));
  }
  return json;
}

nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors) {
  nlohmann::ordered_json json;
  if (!file.empty()) json["file"] = file;
  json["tensors"] = std::move(tensors);
  json["bytes"] = drawn.num_bytes();
  if (drawn.what != DigestOfWhat::kTensor) {
    json[DigestName(drawn.what, "")] = DigestText(drawn.digest());
  }
  return json;
}

nlohmann::ordered_json DrawnJson(const Drawn& drawn, const std::string& file,
                                 nlohmann::ordered_json tensors, const ModelPlan& plan) {
  nlohmann::ordered_json json = DrawnJson(drawn, file, std::move(tensors));
  json["fingerprint"] = ToHex(plan.fingerprint);
  json["seed"] = std::to_string(plan.seed);
  json["generator"] = Name(plan.generator);
  return json;
}

std::string DrawnLine(const Drawn& drawn, const Model& model, const std::string& file,
                      const SpecFlags& spec) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, " in %.1f s", drawn.seconds);
  return Printable(file) + ": " +
         (drawn.tensors.size() == 1 ? "1 tensor" : WithCommas(drawn.tensors.size()) + " tensors") +
         ", " + HumanBytes(static_cast<double>(drawn.num_bytes())) + seconds + "\n" +
         std::string(Name(model.plan.generator)) + ", " + spec.SeedText(model.plan.seed) + ", " +
         DigestName(drawn.what, " ") + " " + DigestText(drawn.digest()) + "\n";
}

}  // namespace weightinit::client
