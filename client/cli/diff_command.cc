#include <CLI/App.hpp>
#include <string_view>

#include "absl/strings/cord.h"
#include "client/cli/command.h"
#include "client/cli/constant_flags.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/message_json.h"
#include "client/cli/recipe_diff.h"
#include "client/cli/recipe_source.h"
#include "client/cli/table.h"
#include "re2/re2.h"

namespace weightinit::client {
namespace {

class DiffCommand final : public Command {
 public:
  explicit DiffCommand(CLI::App& app) {
    app.add_option("left", left_, "a recipe, ready recipe, or manifest with --rules")
        ->type_name("RECIPE")
        ->required();
    app.add_option("right", right_, "likewise")->type_name("RECIPE")->required();
    app.add_option("--rules", rules_,
                   "take rules, seed and generator of both from this recipe, and only the tensors "
                   "from each RECIPE")
        ->type_name("FILE")
        ->check(NonEmpty());
    constants_.AddTo(app);
    app.add_option("--only", only_, "only tensors whose whole name matches (RE2)")
        ->type_name("REGEX")
        ->check(NonEmpty());
  }

  absl::StatusOr<int> Run(Session& session) override {
    const RE2 only(only_.empty() ? ".*" : only_, RE2::Quiet);
    if (!only.ok()) return UsageError("--only: " + only.error());
    absl::StatusOr<ModelPlan> left = Plan(left_, "the first recipe"),
                              right = Plan(right_, "the second recipe");
    if (!left.ok()) return left.status();
    if (!right.ok()) return right.status();
    std::vector<TensorDifference> differences = DiffPlans(*left, *right);
    if (!only_.empty()) {
      std::erase_if(differences, [&](const TensorDifference& difference) {
        return !difference.name.empty() && !RE2::FullMatch(difference.name, only);
      });
    }
    if (session.flags().json) {
      session.Print(Json(*left, *right, differences));
    } else {
      if (!differences.empty()) session.Print(TableOf(differences).Text(session.out()));
      session.Note(Summary(*left, *right, differences));
    }
    return differences.empty() ? kExitDone : kExitFailed;
  }

 private:
  // Errors say which of the two recipes they are about.
  absl::StatusOr<ModelPlan> Plan(const std::string& recipe, std::string_view which) const {
    absl::StatusOr<ModelPlan> plan = Plan(recipe);
    if (plan.ok()) return plan;
    absl::Status named(plan.status().code(),
                       std::string(which) + ": " + std::string(plan.status().message()));
    plan.status().ForEachPayload(
        [&named](const auto& url, const absl::Cord& payload) { named.SetPayload(url, payload); });
    return named;
  }

  absl::StatusOr<ModelPlan> Plan(const std::string& recipe) const {
    absl::StatusOr<LoadedRecipe> loaded = LoadRecipe(recipe, rules_);
    if (!loaded.ok()) return loaded.status();
    if (absl::Status status = constants_.ApplyTo(loaded->recipe); !status.ok()) return status;
    absl::StatusOr<ModelPlan> plan = Resolve(loaded->recipe);
    return plan.ok() ? plan : WithConstantHint(WithLines(plan.status(), loaded->origin));
  }

  static Table TableOf(const std::vector<TensorDifference>& differences) {
    using enum Table::Fit;
    Table table({{.title = "TENSOR", .fit = kShortenedInTheMiddle},
                 {.title = "DIFFERS IN"},
                 {.title = "FIRST"},
                 {.title = "SECOND"}});
    for (const TensorDifference& difference : differences) {
      for (const TensorDifference::Reason& reason : difference.reasons) {
        table.Add({difference.name, reason.what, reason.left.empty() ? "-" : reason.left,
                   reason.right.empty() ? "-" : reason.right});
      }
    }
    return table;
  }

  std::string Summary(const ModelPlan& left, const ModelPlan& right,
                      const std::vector<TensorDifference>& differences) const {
    if (differences.empty()) {
      return left.fingerprint == right.fingerprint
                 ? "the same bits: fingerprint " + ToHex(left.fingerprint) + "\n"
                 : "no difference in what --only leaves\n";
    }
    return WithCommas(differences.size()) +
           (differences.size() == 1 ? " tensor differs" : " tensors differ") + "; the first has " +
           WithCommas(left.tensors.size()) + ", the second " + WithCommas(right.tensors.size()) +
           "\n";
  }

  static std::string Json(const ModelPlan& left, const ModelPlan& right,
                          const std::vector<TensorDifference>& differences) {
    nlohmann::ordered_json json;
    json["same"] = differences.empty();
    json["differences"] = nlohmann::ordered_json::array();
    for (const TensorDifference& difference : differences) {
      nlohmann::ordered_json entry = {{"name", difference.name},
                                      {"reasons", nlohmann::ordered_json::array()}};
      for (const TensorDifference::Reason& reason : difference.reasons) {
        entry["reasons"].push_back(
            {{"what", reason.what}, {"first", reason.left}, {"second", reason.right}});
      }
      json["differences"].push_back(std::move(entry));
    }
    json["fingerprints"] = {ToHex(left.fingerprint), ToHex(right.fingerprint)};
    return JsonText(json);
  }

  ConstantFlags constants_;
  std::string left_, right_, rules_, only_;
};

}  // namespace

std::unique_ptr<Command> MakeDiffCommand(CLI::App& app) {
  return std::make_unique<DiffCommand>(app);
}

}  // namespace weightinit::client
