#include "client/cli/ready_recipes.h"

namespace weightinit::client {

const ReadyRecipe* FindReadyRecipe(std::string_view name) {
  for (const ReadyRecipe& recipe : ReadyRecipes()) {
    if (recipe.name == name) return &recipe;
  }
  return nullptr;
}

std::string_view DescriptionOf(const ReadyRecipe& recipe) {
  std::string_view line = recipe.yaml.substr(0, recipe.yaml.find('\n'));
  while (line.starts_with('#') || line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace weightinit::client
