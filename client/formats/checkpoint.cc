#include "client/formats/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "client/formats/document.h"
#include "client/formats/shards.h"
#include "nlohmann/json.hpp"

namespace weightinit::client {
namespace {

constexpr char kUsualIndex[] = "model.safetensors.index.json";

struct Found {
  std::vector<std::string> files, indices;  // names, sorted
};

absl::StatusOr<Found> Find(const std::string& directory) {
  Found found;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.ends_with(".safetensors")) found.files.push_back(name);
    if (name.ends_with(kIndexSuffix)) found.indices.push_back(name);
  }
  if (error) return absl::ErrnoToStatus(error.value(), directory);
  std::sort(found.files.begin(), found.files.end());
  std::sort(found.indices.begin(), found.indices.end());
  return found;
}

// The index of a directory; empty where there is none.
absl::StatusOr<std::string> ChooseIndex(const std::string& directory, const Found& found) {
  const std::vector<std::string>& indices = found.indices;
  if (std::find(indices.begin(), indices.end(), kUsualIndex) != indices.end()) return kUsualIndex;
  if (indices.size() > 1) {
    return absl::InvalidArgumentError(directory +
                                      ": has several indices, of which one is to be "
                                      "named: " +
                                      indices[0] + ", " + indices[1]);
  }
  return indices.empty() ? "" : indices[0];
}

using FileOfTensor = std::map<std::string, std::string>;

// What the headers hold is what the index says, neither less nor more.
absl::Status CheckIndex(const FileOfTensor& index, const FileOfTensor& headers,
                        const std::string& file) {
  const auto error = [&](const std::string& tensor, const std::string& what) {
    return absl::InvalidArgumentError(file + ": tensor " + nlohmann::json(tensor).dump() + " " +
                                      what);
  };
  for (const auto& [tensor, name] : index) {
    const auto in_headers = headers.find(tensor);
    if (in_headers == headers.end() || in_headers->second != name) {
      return error(tensor, "is not in " + name);
    }
  }
  for (const auto& [tensor, name] : headers) {
    if (!index.contains(tensor)) return error(tensor, "is in " + name + ", but not in the index");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<CheckpointFile>> OpenFiles(const std::string& directory,
                                                      const std::vector<std::string>& names,
                                                      FileOfTensor& file_of) {
  std::vector<CheckpointFile> files;
  for (const std::string& name : names) {
    std::string path =
        directory.empty() ? name : (std::filesystem::path(directory) / name).string();
    absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(path);
    if (!header.ok()) return header.status();
    for (const SafetensorsTensor& tensor : header->tensors) {
      const auto [first, inserted] = file_of.emplace(tensor.name, name);
      if (!inserted) {
        return absl::InvalidArgumentError(
            "tensor '" + tensor.name + "' stands in two files: " +
            (std::filesystem::path(directory) / first->second).string() + " and " + path);
      }
    }
    files.push_back({std::move(path), *std::move(header)});
  }
  return files;
}

}  // namespace

bool IsCheckpointName(const std::string& path) {
  return path.ends_with(".safetensors") || path.ends_with(kIndexSuffix);
}

absl::StatusOr<std::vector<CheckpointFile>> OpenCheckpoint(const std::string& path) {
  FileOfTensor file_of;
  std::error_code error;
  std::string directory, index;
  if (std::filesystem::is_directory(path, error)) {
    directory = path;
    absl::StatusOr<Found> found = Find(path);
    if (!found.ok()) return found.status();
    absl::StatusOr<std::string> chosen = ChooseIndex(path, *found);
    if (!chosen.ok()) return chosen.status();
    index = *std::move(chosen);
    if (index.empty() && found->files.empty()) {
      return absl::NotFoundError(path + ": holds no .safetensors file");
    }
    if (index.empty()) return OpenFiles(path, found->files, file_of);
  } else if (path.ends_with(kIndexSuffix)) {
    directory = std::filesystem::path(path).parent_path().string();
    index = std::filesystem::path(path).filename().string();
  } else {
    return OpenFiles("", {path}, file_of);
  }

  const std::string index_path = (std::filesystem::path(directory) / index).string();
  absl::StatusOr<std::string> text = ReadSmallFile(index_path, Document::kMaxFileBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<FileOfTensor> indexed = ParseShardIndex(*text, index_path);
  if (!indexed.ok()) return indexed.status();
  std::vector<std::string> names;
  for (const auto& [tensor, name] : *indexed) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  absl::StatusOr<std::vector<CheckpointFile>> files = OpenFiles(directory, names, file_of);
  if (!files.ok()) return files;
  if (absl::Status status = CheckIndex(*indexed, file_of, index_path); !status.ok()) return status;
  return files;
}

}  // namespace weightinit::client
