#include "client/cli/recipe_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "client/cli/ready_recipes.h"
#include "client/formats/nearest.h"

namespace weightinit::client {

bool IsSafetensorsName(const std::string& path) { return path.ends_with(".safetensors"); }

absl::StatusOr<std::vector<CheckpointFile>> OpenCheckpoint(const std::string& path) {
  std::vector<std::string> paths;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    for (std::filesystem::directory_iterator at(path, error), end; !error && at != end;
         at.increment(error)) {
      if (IsSafetensorsName(at->path().string())) paths.push_back(at->path().string());
    }
    if (error) return absl::ErrnoToStatus(error.value(), path);
    if (paths.empty()) return absl::NotFoundError(path + ": holds no .safetensors file");
    std::sort(paths.begin(), paths.end());
  } else {
    paths = {path};
  }
  std::vector<CheckpointFile> files;
  std::map<std::string, std::string> file_of;  // by the name of a tensor
  for (std::string& file : paths) {
    absl::StatusOr<SafetensorsHeader> header = ReadSafetensorsHeader(file);
    if (!header.ok()) return header.status();
    for (const SafetensorsTensor& tensor : header->tensors) {
      const auto [first, inserted] = file_of.emplace(tensor.name, file);
      if (!inserted) {
        return absl::InvalidArgumentError(
            "tensor '" + tensor.name + "' stands in two files: " + first->second + " and " + file);
      }
    }
    files.push_back({std::move(file), *std::move(header)});
  }
  return files;
}

absl::StatusOr<RecipeFile> OpenRecipe(const std::string& recipe) {
  if (recipe == "-") return LoadRecipeFile("/dev/stdin");
  std::error_code error;
  const bool directory = std::filesystem::is_directory(recipe, error);
  const bool exists = std::filesystem::exists(recipe, error);
  const ReadyRecipe* ready = FindReadyRecipe(recipe);
  if (exists && !(directory && ready != nullptr)) {
    if (!directory && !IsSafetensorsName(recipe)) return LoadRecipeFile(recipe);
    absl::StatusOr<std::vector<CheckpointFile>> files = OpenCheckpoint(recipe);
    if (!files.ok()) return files.status();
    RecipeFile manifest;
    for (const CheckpointFile& file : *files) {
      absl::StatusOr<Recipe> part = ManifestOf(file.header, file.path);
      if (!part.ok()) return part.status();
      std::move(part->tensors.begin(), part->tensors.end(),
                std::back_inserter(manifest.recipe.tensors));
    }
    return manifest;
  }
  if (ready != nullptr) {
    return ParseRecipeFile(ready->yaml,
                           std::string("recipes/") + std::string(ready->name) + ".yaml");
  }
  std::vector<std::string_view> names;
  for (const ReadyRecipe& known : ReadyRecipes()) names.push_back(known.name);
  return absl::NotFoundError("'" + recipe + "' is neither a file nor a ready recipe" +
                             Hint(recipe, names));
}

}  // namespace weightinit::client
