#include "client/cli/recipe_source.h"

#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "client/cli/ready_recipes.h"
#include "client/formats/checkpoint.h"
#include "client/formats/nearest.h"

namespace weightinit::client {

bool IsCheckpoint(const std::string& recipe) {
  std::error_code error;
  return IsCheckpointName(recipe) ||
         (std::filesystem::is_directory(recipe, error) && FindReadyRecipe(recipe) == nullptr);
}

absl::StatusOr<RecipeFile> OpenRecipe(const std::string& recipe) {
  if (recipe == "-") return LoadRecipeFile("/dev/stdin");
  std::error_code error;
  const bool directory = std::filesystem::is_directory(recipe, error);
  const bool exists = std::filesystem::exists(recipe, error);
  const ReadyRecipe* ready = FindReadyRecipe(recipe);
  if (exists && !(directory && ready != nullptr)) {
    if (!IsCheckpoint(recipe)) return LoadRecipeFile(recipe);
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

absl::StatusOr<LoadedRecipe> LoadRecipe(const std::string& recipe, const std::string& rules) {
  absl::StatusOr<RecipeFile> file = OpenRecipe(recipe);
  if (!file.ok()) return file.status();
  LoadedRecipe loaded{std::move(file->recipe),
                      {.tensors = file->document, .rules = file->document}};
  if (!rules.empty()) {
    absl::StatusOr<RecipeFile> others = OpenRecipe(rules);
    if (!others.ok()) return others.status();
    // The tensors from one file, all else from the other. A manifest's own default type belongs to
    // its tensors.
    if (file->keys.contains("default_dtype")) {
      for (TensorSpec& tensor : loaded.recipe.tensors) {
        if (!tensor.dtype.has_value()) tensor.dtype = loaded.recipe.default_dtype;
      }
    }
    others->recipe.tensors = std::move(loaded.recipe.tensors);
    loaded.recipe = std::move(others->recipe);
    loaded.origin.rules = others->document;
  }
  if (loaded.recipe.tensors.empty() && !loaded.recipe.rules.empty()) {
    const std::string& name = rules.empty() ? recipe : rules;
    return absl::FailedPreconditionError(
        "'" + recipe + "' has no tensors" +
        (rules.empty() ? " but rules for those of another file" : "") +
        "; a checkpoint or a manifest in its place has them: TENSORS --rules " + name);
  }
  loaded.origin.rules_in_file = loaded.recipe.rules.size();
  return loaded;
}

}  // namespace weightinit::client
