// What RECIPE on the command line stands for: a file, a ready recipe, or a checkpoint's header.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_
#define WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/formats/recipe_file.h"
#include "client/formats/safetensors.h"

namespace weightinit::client {

// "-" is stdin. Files go before ready recipes. Errors: NOT_FOUND with the nearest ready recipe;
// those of the file.
absl::StatusOr<RecipeFile> OpenRecipe(const std::string& recipe);

bool IsSafetensorsName(const std::string& path);

// The headers of a checkpoint: one file, or every .safetensors file of a directory, by name.
// Errors: those of the files; INVALID_ARGUMENT for a tensor that stands in two of them.
struct CheckpointFile {
  std::string path;
  SafetensorsHeader header;
};
absl::StatusOr<std::vector<CheckpointFile>> OpenCheckpoint(const std::string& path);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_RECIPE_SOURCE_H_
