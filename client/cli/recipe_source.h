// What RECIPE on the command line stands for: a file, a ready recipe, or the headers of a
// checkpoint.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_
#define WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/formats/recipe_file.h"

namespace weightinit::client {

// "-" is stdin. Files go before ready recipes. Errors: NOT_FOUND with the nearest ready recipe;
// those of the file.
absl::StatusOr<RecipeFile> OpenRecipe(const std::string& recipe);

// A recipe whose tensors and rules may come from two files.
struct LoadedRecipe {
  Recipe recipe;
  RecipeOrigin origin;
};

// The recipe; where `rules` is not empty, with all but the tensors from there. Errors: as
// OpenRecipe.
absl::StatusOr<LoadedRecipe> LoadRecipe(const std::string& recipe, const std::string& rules);

// Whether it stands for a checkpoint: by its name, or as a directory that is no ready recipe.
bool IsCheckpoint(const std::string& recipe);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_
