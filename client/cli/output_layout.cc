#include "client/cli/output_layout.h"

#include <filesystem>
#include <numeric>
#include <set>
#include <system_error>
#include <utility>

#include "client/cli/exit_code.h"
#include "client/formats/npy.h"
#include "client/formats/safetensors.h"
#include "client/formats/tensor_file_name.h"
#include "nlohmann/json.hpp"

namespace weightinit::client {
namespace {

constexpr char kNpyIndex[] = "weightinit.index.json";

std::vector<std::size_t> AllOf(std::span<const OutputItem> items) {
  std::vector<std::size_t> all(items.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

// A safetensors file of some of the items.
absl::Status AddSafetensors(const std::string& name, std::span<const OutputItem> items,
                            std::span<const std::size_t> chosen, const Metadata& metadata,
                            OutputLayout& layout) {
  std::vector<SafetensorsEntry> entries;
  for (const std::size_t i : chosen)
    entries.push_back({items[i].name, items[i].dtype, items[i].shape});
  absl::StatusOr<SafetensorsLayout> file = LayOutSafetensors(entries, metadata);
  if (!file.ok()) return file.status();
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    layout.places[chosen[k]] = {layout.files.size(), file->offsets[k]};
  }
  layout.files.push_back({name, std::move(file->head), file->file_bytes});
  return absl::OkStatus();
}

absl::Status LayOutShards(std::int64_t max_shard_bytes, std::span<const OutputItem> items,
                          const MetadataOf& metadata_of, OutputLayout& layout) {
  std::vector<std::int64_t> sizes;
  for (const OutputItem& item : items) sizes.push_back(item.num_bytes);
  const auto shards = DivideIntoShards(sizes, max_shard_bytes);
  const bool is_one = shards.size() == 1;
  std::map<std::string, std::string> file_of_tensor;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    const std::string name = ShardName(s, shards.size());
    absl::Status status =
        AddSafetensors(name, items, shards[s], metadata_of(shards[s], is_one), layout);
    if (!status.ok()) return status;
    for (const std::size_t i : shards[s]) {
      if (!file_of_tensor.emplace(items[i].name, name).second) {
        return absl::InvalidArgumentError("a checkpoint cannot hold two tensors named '" +
                                          items[i].name + "'");
      }
    }
  }
  if (is_one) return absl::OkStatus();
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  Metadata metadata = metadata_of(AllOf(items), true);
  metadata.erase("format");  // of a file
  layout.files.push_back(
      {"model.safetensors.index.json", ShardIndex(total, metadata, file_of_tensor), 0});
  return absl::OkStatus();
}

absl::Status LayOutNpyDirectory(std::span<const OutputItem> items, const MetadataOf& metadata_of,
                                OutputLayout& layout) {
  nlohmann::ordered_json index;
  index["metadata"] = metadata_of(AllOf(items), true);
  index["tensors"] = nlohmann::ordered_json::object();
  std::set<std::string> names;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const OutputItem& item = items[i];
    std::string name = TensorFileName(item.name, ".npy");
    if (!names.insert(name).second) {
      return absl::InvalidArgumentError("two tensors named '" + item.name + "' would be one file");
    }
    // The name that the bits have elsewhere: NumPy has no bfloat16.
    index["tensors"][item.name] = {
        {"file", name}, {"dtype", Name(item.dtype)}, {"shape", item.shape}};
    std::string head = NpyHead(item.dtype, item.shape);
    const auto offset = static_cast<std::int64_t>(head.size());
    layout.places[i] = {layout.files.size(), offset};
    layout.files.push_back({std::move(name), std::move(head), offset + item.num_bytes});
  }
  layout.files.push_back(
      {kNpyIndex, index.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", 0});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<OutputTarget> ParseOutputTarget(const std::string& path, const std::string& format,
                                               const std::string& max_shard_size) {
  constexpr std::string_view kExist =
      ".safetensors, .npy, .bin (raw), or - (raw, to stdout); a directory with --max-shard-size "
      "5GB (as Hugging Face has it) or --format npy";
  OutputTarget target{.path = path};
  if (!max_shard_size.empty()) {
    absl::StatusOr<std::int64_t> bytes = ParseByteSize(max_shard_size);
    if (!bytes.ok()) {
      return UsageError("--max-shard-size: " + std::string(bytes.status().message()));
    }
    target.max_shard_bytes = *bytes;
  }
  if (!format.empty() && format != "safetensors" && format != "npy") {
    return UsageError("--format: '" + format + "' is neither safetensors nor npy");
  }

  std::error_code error;
  if (path.ends_with('/') || std::filesystem::is_directory(path, error)) {
    target.kind = format == "npy" ? OutputKind::kNpyDirectory : OutputKind::kShards;
  } else if (path == "-") {
    target.kind = OutputKind::kStdout;
  } else if (path.ends_with(".npy")) {
    target.kind = OutputKind::kNpy;
  } else if (path.ends_with(".safetensors")) {
    target.kind = OutputKind::kSafetensors;
  } else if (path.ends_with(".bin")) {
    target.kind = OutputKind::kBin;
  } else if (!format.empty() || !max_shard_size.empty()) {
    target.kind = format == "npy" ? OutputKind::kNpyDirectory : OutputKind::kShards;
  } else {
    return UsageError("-o " + path + ": the extension says the format: " + std::string(kExist));
  }
  if (!target.is_directory() && (!format.empty() || !max_shard_size.empty())) {
    return UsageError(std::string(format.empty() ? "--max-shard-size" : "--format") +
                      " goes with a directory, and -o " + path + " is a file");
  }
  if (target.kind == OutputKind::kNpyDirectory && !max_shard_size.empty()) {
    return UsageError("--max-shard-size goes with --format safetensors: an .npy holds one tensor");
  }
  return target;
}

absl::StatusOr<OutputLayout> LayOut(const OutputTarget& target, std::span<const OutputItem> items,
                                    const MetadataOf& metadata_of) {
  OutputLayout layout;
  layout.places.resize(items.size());
  absl::Status status;
  switch (target.kind) {
    case OutputKind::kSafetensors: {
      const std::vector<std::size_t> all = AllOf(items);
      status = AddSafetensors("", items, all, metadata_of(all, true), layout);
      break;
    }
    case OutputKind::kShards:
      status = LayOutShards(target.max_shard_bytes, items, metadata_of, layout);
      break;
    case OutputKind::kNpyDirectory:
      status = LayOutNpyDirectory(items, metadata_of, layout);
      break;
    case OutputKind::kNpy:
      if (items.size() != 1) {
        return UsageError("-o " + target.path + ": an .npy file holds one tensor, not " +
                          std::to_string(items.size()) +
                          "; use .safetensors, a directory with --format npy, or --only");
      }
      [[fallthrough]];
    case OutputKind::kBin:
    case OutputKind::kStdout: {
      LaidOutFile file;
      if (target.kind == OutputKind::kNpy) file.head = NpyHead(items[0].dtype, items[0].shape);
      file.num_bytes = static_cast<std::int64_t>(file.head.size());
      for (std::size_t i = 0; i < items.size(); ++i) {
        layout.places[i] = {0, file.num_bytes};
        file.num_bytes += items[i].num_bytes;
      }
      layout.files.push_back(std::move(file));
    }
  }
  if (!status.ok()) return status;
  return layout;
}

}  // namespace weightinit::client
