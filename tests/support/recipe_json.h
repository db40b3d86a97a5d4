// The API's messages in protobuf's JSON mapping (snake_case), read into the library's types.
//
// For tests that must not depend on protobuf; it trusts its input: what is malformed throws.
#ifndef WEIGHTINIT_TESTS_SUPPORT_RECIPE_JSON_H_
#define WEIGHTINIT_TESTS_SUPPORT_RECIPE_JSON_H_

#include <nlohmann/json.hpp>

#include "weightinit/recipe.h"
#include "weightinit/selection.h"

namespace weightinit::test {

Recipe RecipeFromJson(const nlohmann::json& json);
TensorSpec TensorSpecFromJson(const nlohmann::json& json);
Slice SliceFromJson(const nlohmann::json& json);
Selection SelectionFromJson(const nlohmann::json& json);

}  // namespace weightinit::test

#endif  // WEIGHTINIT_TESTS_SUPPORT_RECIPE_JSON_H_
