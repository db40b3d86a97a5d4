#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/message_json.h"
#include "client/cli/ready_recipes.h"
#include "client/cli/table.h"
#include "client/formats/nearest.h"

namespace weightinit::client {
namespace {

class RecipesCommand final : public Command {
 public:
  explicit RecipesCommand(CLI::App& app) {
    app.add_option("name", name_, "print this recipe")->type_name("NAME");
  }

  absl::StatusOr<int> Run(Session& session) override {
    if (!name_.empty()) return PrintOne(session);
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    Table table({{"RECIPE"},
                 {.title = "WHAT", .fit = Table::Fit::kShortened},
                 {.title = "USE: weightinit …", .rank = 1, .moved = Table::Moved::kBelow}});
    for (const ReadyRecipe& recipe : ReadyRecipes()) {
      const std::string use = UseOf(recipe);
      table.Add({std::string(recipe.name), std::string(DescriptionOf(recipe)), use});
      json.push_back({{"name", recipe.name}, {"description", DescriptionOf(recipe)}, {"use", use}});
    }
    session.Print(session.flags().json ? JsonText({{"recipes", json}}) : table.Text(session.out()));
    return kExitDone;
  }

 private:
  absl::StatusOr<int> PrintOne(Session& session) {
    const ReadyRecipe* recipe = FindReadyRecipe(name_);
    if (recipe == nullptr) {
      std::vector<std::string_view> names;
      for (const ReadyRecipe& known : ReadyRecipes()) names.push_back(known.name);
      return absl::NotFoundError("no ready recipe '" + name_ + "'" + Hint(name_, names));
    }
    session.Print(session.flags().json ? JsonText({{"name", recipe->name}, {"yaml", recipe->yaml}})
                                       : std::string(recipe->yaml));
    return kExitDone;
  }

  std::string name_;
};

}  // namespace

std::unique_ptr<Command> MakeRecipesCommand(CLI::App& app) {
  return std::make_unique<RecipesCommand>(app);
}

}  // namespace weightinit::client
