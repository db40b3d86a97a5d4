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

std::string UseOf(const ReadyRecipe& recipe) {
  constexpr std::string_view kUse = "\n# Use: weightinit ";
  const std::size_t found = recipe.yaml.find(kUse);
  if (found == std::string_view::npos) return "model " + std::string(recipe.name);
  const std::string_view rest = recipe.yaml.substr(found + kUse.size());
  return std::string(rest.substr(0, rest.find('\n')));
}

}  // namespace weightinit::client
