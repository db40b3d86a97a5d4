// Recipes in YAML and JSON: the Recipe message of the API, with an initializer also in its text
// form.
//
//   seed: 42
//   tensors:
//     - {name: fc1.weight, shape: [120, 400], module: Linear}
//   rules:
//     - {module: Linear, init: "kaiming_normal(nonlinearity=relu)"}
//     - {name_regex: ".*", init: {normal: {std: 0.02}}, may_be_idle: true}
//
// Keys in snake_case or camelCase, enums in any case, integers also as JSON strings, numbers also
// as Infinity and .inf. Unknown and repeated keys are errors; so are the limits of document.h. A
// manifest is a recipe without rules. What the numbers may be is not checked here: Resolve does,
// and WithLines adds file and line to what it says.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_RECIPE_FILE_H_
#define WEIGHTINIT_CLIENT_FORMATS_RECIPE_FILE_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/formats/document.h"
#include "weightinit/recipe.h"

namespace weightinit::client {

struct RecipeFile {
  Recipe recipe;
  std::shared_ptr<const Document> document;
  // Top-level keys that the file has, in snake_case: tells "seed: 0" from no seed.
  std::set<std::string> keys;
};

// Errors: INVALID_ARGUMENT "recipe.yaml:12: rules[2].init: …".
absl::StatusOr<RecipeFile> ParseRecipeFile(std::string_view text, std::string_view file);
// Errors: also those of the file itself.
absl::StatusOr<RecipeFile> LoadRecipeFile(const std::string& path);

// "out_in" or "IN_OUT", in any case. Errors: INVALID_ARGUMENT at `field`.
absl::StatusOr<FanLayout> ParseFanLayout(std::string_view text, std::string_view field);

// Where the parts of a recipe were written. A null document: not in a file that has lines.
struct RecipeOrigin {
  std::shared_ptr<const Document> tensors;
  std::shared_ptr<const Document> rules;  // and everything else
  // Rules from here on come from the command line.
  std::size_t rules_in_file = 0;
};

// An error of the library about a recipe, each violation with its file and line:
// "recipe.yaml:12: rules[2].init.normal.std: -1 is negative". Other errors pass unchanged.
absl::Status WithLines(const absl::Status& status, const RecipeOrigin& origin);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_RECIPE_FILE_H_
