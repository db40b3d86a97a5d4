// The recipes of recipes/*.yaml, embedded when the program is built.
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_CLI_READY_RECIPES_H_
#define WEIGHTINIT_CLIENT_CLI_READY_RECIPES_H_

#include <span>
#include <string>
#include <string_view>

namespace weightinit::client {

struct ReadyRecipe {
  std::string_view name;  // of its file, without .yaml
  std::string_view yaml;
};

std::span<const ReadyRecipe> ReadyRecipes();

// nullptr where there is none of this name.
const ReadyRecipe* FindReadyRecipe(std::string_view name);

// The first line of the recipe's opening comment: what it is.
std::string_view DescriptionOf(const ReadyRecipe& recipe);

// How it is drawn, the words behind "weightinit": "model resnet50", or for rules without tensors
// "model TENSORS --rules gpt2 --constant layers=12", as its comment says ("# Use: …").
std::string UseOf(const ReadyRecipe& recipe);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_READY_RECIPES_H_
