#include "client/cli/drawing.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <utility>

#include "client/cli/blocks.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/replay_text.h"
#include "client/formats/npy.h"
#include "client/formats/stored_slices.h"
#include "client/printable.h"
#include "weightinit/recipe.h"
#include "weightinit/sink.h"

namespace weightinit::client {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Which of them share their elements with another that is asked for too. A tied tensor without its
// original is none: to whoever reads it, it is a tensor of its own.
std::vector<bool> DuplicatesIn(const ModelPlan& plan, std::span<const BoundSelection> selections) {
  std::set<int> asked;
  for (const BoundSelection& selection : selections) asked.insert(selection.tensor);
  std::vector<bool> duplicates;
  for (const BoundSelection& selection : selections) {
    const auto& tied_to = plan.tensors[static_cast<std::size_t>(selection.tensor)].tied_to;
    duplicates.push_back(tied_to.has_value() && asked.contains(*tied_to));
  }
  return duplicates;
}

// Who asks for tensors that share their elements gets one of them in a safetensors file, as
// Hugging Face writes them.
std::vector<Selection> WithoutDuplicates(OutputKind kind, const ModelPlan& plan,
                                         std::span<const Selection> selections,
                                         std::span<const BoundSelection> bound) {
  std::vector<Selection> kept(selections.begin(), selections.end());
  if (kind != OutputKind::kSafetensors && kind != OutputKind::kShards) return kept;
  const std::vector<bool> duplicates = DuplicatesIn(plan, bound);
  if (std::find(duplicates.begin(), duplicates.end(), true) == duplicates.end()) return kept;
  kept.clear();
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (duplicates[i]) continue;
    Selection& selection = kept.emplace_back();
    if (selections.empty()) {
      selection.name = plan.tensors[static_cast<std::size_t>(bound[i].tensor)].name;
    } else {
      selection = selections[i];
    }
  }
  return kept;
}

// What is about to be drawn, digests still open.
Drawn Prepare(const ModelPlan& plan, std::span<const BoundSelection> selections,
              const DrawOptions& options) {
  Drawn drawn;
  const std::vector<bool> duplicates = DuplicatesIn(plan, selections);
  std::int64_t counted = 0;  // of the model's tensors, those that are there whole
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const BoundSelection& selection = selections[i];
    const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(selection.tensor)];
    const bool is_counted = !duplicates[i] && !IsCountedElsewhere(tensor.shape, options.shard);
    drawn.tensors.push_back({tensor.name, selection.dtype, selection.shape, selection.num_bytes(),
                             0, DigestWeight(tensor.name, selection.dtype, tensor.shape),
                             is_counted});
    if (is_counted && !tensor.tied_to.has_value() && selection.shape == tensor.shape) ++counted;
  }
  const bool whole =
      counted == std::count_if(plan.tensors.begin(), plan.tensors.end(),
                               [](const TensorPlan& t) { return !t.tied_to.has_value(); });
  drawn.what = options.single_tensor ? DigestOfWhat::kTensor
               : whole               ? DigestOfWhat::kModel
                                     : DigestOfWhat::kSelection;
  return drawn;
}

// What the files say of themselves, for whatever digests `drawn` has when it is asked.
class FileMetadata {
 public:
  FileMetadata(const ModelPlan& plan, std::span<const Selection> selections,
               std::span<const BoundSelection> bound, const DrawOptions& options,
               const Drawn& drawn)
      : plan_(plan), options_(options), drawn_(drawn) {
    for (std::size_t i = 0; i < bound.size(); ++i) {
      const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(bound[i].tensor)];
      if (bound[i].shape == tensor.shape) continue;
      slices_[tensor.name] = {tensor.shape, SliceText(selections[i].slice, bound[i].shape)};
    }
  }

  Metadata Of(std::span<const std::size_t> items, bool is_all) const {
    Drawn part;
    part.what = is_all ? drawn_.what : DigestOfWhat::kSelection;
    StoredSlices slices;
    for (const std::size_t i : items) {
      part.tensors.push_back(drawn_.tensors[i]);
      const auto slice = slices_.find(drawn_.tensors[i].name);
      if (slice != slices_.end()) slices.insert(*slice);
    }
    // Loaders of checkpoints look for "format"; "pt" says that the shapes are torch's.
    Metadata metadata = {{"format", "pt"},
                         {"weightinit." + DigestName(part.what, "_"), DigestText(part.digest())},
                         {"weightinit.fingerprint", ToHex(plan_.fingerprint)},
                         {"weightinit.generator", std::string(Name(plan_.generator))},
                         {"weightinit.seed", std::to_string(plan_.seed)}};
    if (const std::string dialect = DialectText(plan_.generator); !dialect.empty())
      metadata["weightinit.dialect"] = dialect;
    if (StartsFromState(plan_.generator)) metadata.erase("weightinit.seed");
    if (!is_all) metadata[kShardOfKey] = DigestName(drawn_.what, "_");
    if (!slices.empty()) metadata[kSlicesKey] = SlicesText(slices);
    if (options_.shard.world_size > 1) {
      metadata[kRankKey] = std::to_string(options_.shard.rank);
      metadata["weightinit.world_size"] = std::to_string(options_.shard.world_size);
      metadata["weightinit.dim"] = std::to_string(options_.shard.dim);
    }
    return metadata;
  }

 private:
  const ModelPlan& plan_;
  const DrawOptions& options_;
  const Drawn& drawn_;
  StoredSlices slices_;
};

// Hands the values of a Read of blocks on to the output.
class BlockReceiver final : public Receiver {
 public:
  // The read's selections are the blocks `reading`.
  BlockReceiver(std::span<const Block> blocks, std::span<const std::size_t> reading, Output& output,
                Progress& progress)
      : blocks_(blocks),
        reading_(reading),
        output_(output),
        progress_(progress),
        digests_(blocks.size()) {}

  bool in_order() const override { return output_.in_order(); }
  absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override {
    progress_.Add(static_cast<std::int64_t>(bytes.size()));
    return output_.Write(blocks_[reading_[selection]].item, byte_offset, bytes);
  }
  absl::Status Done(std::size_t selection, std::uint64_t digest) override {
    const std::size_t block = reading_[selection];
    digests_[block] = digest;
    return output_.BlockDone(block, digest);
  }

  // Of each block that was read.
  const std::vector<std::uint64_t>& digests() const { return digests_; }

 private:
  const std::span<const Block> blocks_;
  const std::span<const std::size_t> reading_;
  Output& output_;
  Progress& progress_;
  std::vector<std::uint64_t> digests_;
};

// The blocks as selections. None where that says the same: a request need not list everything.
std::vector<Selection> SelectionsOf(const ModelPlan& plan, std::span<const Selection> selections,
                                    std::span<const BoundSelection> bound,
                                    std::span<const Block> blocks,
                                    std::span<const std::size_t> reading) {
  std::vector<Selection> parts;
  if (selections.empty() && blocks.size() == bound.size() && reading.size() == blocks.size()) {
    return parts;
  }
  for (const std::size_t b : reading) {
    const std::size_t item = blocks[b].item;
    Selection& part = parts.emplace_back();
    if (selections.empty()) {
      part.name = plan.tensors[static_cast<std::size_t>(bound[item].tensor)].name;
    } else {
      part = selections[item];
    }
    part.first_byte = blocks[b].first_byte;
    part.byte_count = blocks[b].byte_count;
  }
  return parts;
}

void WarnOfTypesThatNumPyLacks(OutputKind kind, const Drawn& drawn, const Session& session) {
  if (kind != OutputKind::kNpy && kind != OutputKind::kNpyDirectory) return;
  std::set<DType> told;
  for (const DrawnTensor& tensor : drawn.tensors) {
    if (NpyHasDType(tensor.dtype) || !told.insert(tensor.dtype).second) continue;
    session.Warn("NumPy has no " + std::string(Name(tensor.dtype)) + ": its bits are written as " +
                 std::string(NpyDescr(tensor.dtype)));
  }
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
  for (const DrawnTensor& tensor : tensors) {
    if (tensor.is_counted) total += tensor.digest_weight * tensor.digest;
  }
  return total;
}

absl::StatusOr<Drawn> DrawInto(const OutputTarget& target, const Model& model,
                               std::span<const Selection> asked, const DrawOptions& options,
                               Session& session) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, asked);
  if (!bound.ok()) return bound.status();
  const std::vector<Selection> selections =
      WithoutDuplicates(target.kind, model.plan, asked, *bound);
  bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  Drawn drawn = Prepare(model.plan, *bound, options);
  OutputRequest request{.target = target, .blocks = CutIntoBlocks(model.plan, *bound)};
  for (const DrawnTensor& tensor : drawn.tensors) {
    request.items.push_back({tensor.name, tensor.dtype, tensor.shape, tensor.num_bytes});
  }
  if (options.resumable) {
    request.identity = ToHex(model.plan.fingerprint);
    for (std::size_t i = 0; i < selections.size(); ++i) {
      request.identity += "\n" + SliceText(selections[i].slice, (*bound)[i].shape);
    }
  }
  WarnOfTypesThatNumPyLacks(target.kind, drawn, session);
  WarnOfApproximations(model.plan, *bound, session);
  const std::vector<Block> blocks = request.blocks;
  const FileMetadata metadata(model.plan, selections, *bound, options, drawn);
  const MetadataOf metadata_of = [&](std::span<const std::size_t> items, bool is_all) {
    return metadata.Of(items, is_all);
  };

  absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
  if (!backend.ok()) return backend.status();
  const Clock::time_point start = Clock::now();
  absl::StatusOr<std::unique_ptr<Output>> output = Output::Create(std::move(request), metadata_of);
  if (!output.ok()) return output.status();
  if (const std::string note = (*output)->Note(); !note.empty()) session.Note(note + "\n");
  std::vector<std::size_t> reading;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (!(*output)->done()[b].has_value()) {
      reading.push_back(b);
      drawn.bytes_drawn += blocks[b].byte_count;
    } else {
      drawn.tensors[blocks[b].item].digest += *(*output)->done()[b];
    }
  }
  absl::Status status;
  {
    Progress progress(drawn.num_bytes(), session.show_progress(),
                      drawn.num_bytes() - drawn.bytes_drawn);
    BlockReceiver receiver(blocks, reading, **output, progress);
    // Nobody sees the digest of what goes to stdout; drawing is faster without it.
    const ReadOptions read{.digest = target.kind != OutputKind::kStdout};
    if (!reading.empty()) {
      const std::vector<Selection> parts =
          SelectionsOf(model.plan, selections, *bound, blocks, reading);
      status = (*backend)->Read(model, parts, read, receiver, session.stop());
    }
    for (const std::size_t b : reading) {
      drawn.tensors[blocks[b].item].digest += receiver.digests()[b];
    }
    if (status.ok()) status = (*output)->Finish(metadata_of);
  }
  if (!status.ok()) {
    if (const std::string kept = (*output)->Leave(); !kept.empty()) session.Note(kept + "\n");
    return status;
  }
  drawn.seconds = SecondsSince(start);
  return drawn;
}

void WarnOfApproximations(const ModelPlan& plan, std::span<const BoundSelection> selections,
                          Session& session) {
  std::vector<int> tensors;
  for (const BoundSelection& selection : selections) tensors.push_back(selection.tensor);
  if (const std::string warning = ApproximationWarning(plan, tensors); !warning.empty())
    session.Warn(warning);
}

absl::StatusOr<Drawn> DrawAndSummarize(
    const Model& model, std::span<const Selection> selections, const DrawOptions& options,
    int histogram_bins, Session& session,
    const std::function<void(const v1::SummarizeResponse&)>& take) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  Drawn drawn = Prepare(model.plan, *bound, options);
  drawn.bytes_drawn = drawn.num_bytes();
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
    if (!tensor.is_counted) entry["counted"] = false;
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
  if (!StartsFromState(plan.generator)) json["seed"] = std::to_string(plan.seed);
  json["generator"] = Name(plan.generator);
  if (const std::string dialect = DialectText(plan.generator); !dialect.empty())
    json["dialect"] = dialect;
  return json;
}

std::string DrawnLine(const Drawn& drawn, const Model& model, const std::string& file,
                      const SpecFlags& spec) {
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, " in %.1f s", drawn.seconds);
  return Printable(file) + ": " +
         (drawn.tensors.size() == 1 ? "1 tensor" : WithCommas(drawn.tensors.size()) + " tensors") +
         ", " + HumanBytes(static_cast<double>(drawn.num_bytes())) +
         (drawn.bytes_drawn < drawn.num_bytes()
              ? ", of them " + HumanBytes(static_cast<double>(drawn.bytes_drawn)) + " now"
              : "") +
         seconds + "\n" + spec.StartText(model.plan.generator, model.plan.seed) + ", " +
         DigestName(drawn.what, " ") + " " + DigestText(drawn.digest()) + "\n";
}

}  // namespace weightinit::client
