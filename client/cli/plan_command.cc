#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/look.h"
#include "client/cli/message_json.h"
#include "client/cli/plan_report.h"
#include "client/cli/spec_flags.h"
#include "client/printable.h"

namespace weightinit::client {
namespace {

std::string Hex(const std::string& bytes) {
  return ToHex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

class PlanCommand final : public Command {
 public:
  explicit PlanCommand(CLI::App& app) {
    spec_.AddTo(
        app,
        "a recipe or manifest (YAML, JSON; - is stdin), a .safetensors file, or a ready recipe");
    app.add_flag("--fingerprint", fingerprint_,
                 "print the fingerprint alone: equal fingerprints, equal bits");
  }

  absl::StatusOr<int> Run(Session& session) override {
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    if (spec_.has_part())
      return UsageError(
          "--slice and --rank: a plan is of whole tensors; model and digest take them");
    absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
    if (!backend.ok()) return backend.status();
    absl::StatusOr<PlanAnswer> answer = (*backend)->Plan(spec->recipe, session.stop());
    if (!answer.ok()) {
      // The library's refusals are the same here as anywhere; only here they come with lines, and
      // with the names that the flags have. A plan looks further than tensors that nothing covers.
      const absl::Status here = spec_.Resolve(*spec).status();
      const absl::Status found = SpecFlags::Located(answer.status(), *spec);
      if (!here.ok() && here.code() == answer.status().code()) return here;
      if (!absl::IsFailedPrecondition(here)) return found;
      session.Warn(std::string(found.message()));
      return here;
    }
    std::vector<std::size_t> tensors_of_rules = TensorsOfRules(*answer, spec->recipe);
    const std::vector<std::string> idle_hints = IdleHints(*answer, spec->recipe);
    if (answer->report.drawable()) {
      // --only picks by the names of the plan.
      absl::StatusOr<Model> model = spec_.Resolve(*spec);
      if (!model.ok()) return model.status();
      for (const std::string& warning : spec_.Warnings(*model)) session.Warn(warning);
      tensors_of_rules = TensorsOfRules(model->plan.coverage, spec->recipe);
      if (absl::Status status = KeepSelected(*model, *answer); !status.ok()) return status;
    }
    if (fingerprint_) {
      if (answer->report.drawable()) {
        const std::string fingerprint = Hex(answer->report.fingerprint());
        session.Print(session.flags().json ? JsonText({{"fingerprint", fingerprint}})
                                           : fingerprint + "\n");
      }
    } else if (session.flags().json) {
      session.Print(Json(*answer, idle_hints));
    } else if (spec->single_tensor && answer->tensors.size() == 1) {
      session.Print(TensorText(*answer, spec->recipe, session.out()));
    } else {
      session.Print(PlanReportText(*answer, spec->recipe, tensors_of_rules, idle_hints,
                                   spec_.StartText(spec->recipe.generator, answer->report.seed()),
                                   session.out()));
    }
    if (answer->report.drawable()) return kExitDone;
    return spec_.Resolve(*spec).status();
  }

 private:
  absl::Status KeepSelected(const Model& model, PlanAnswer& answer) const {
    absl::StatusOr<std::vector<Selection>> selections = spec_.Select(model);
    if (!selections.ok()) return selections.status();
    if (selections->empty()) return absl::OkStatus();
    std::erase_if(answer.tensors, [&](const v1::TensorPlan& tensor) {
      return std::none_of(selections->begin(), selections->end(),
                          [&](const Selection& kept) { return kept.name == tensor.name(); });
    });
    return absl::OkStatus();
  }

  static std::string Json(const PlanAnswer& answer, const std::vector<std::string>& idle_hints) {
    v1::PlanPage page;
    page.mutable_tensors()->Add(answer.tensors.begin(), answer.tensors.end());
    nlohmann::ordered_json json = {{"report", MessageJson(answer.report)}};
    // As the report's idleRules, in which the API has no place for them.
    nlohmann::ordered_json hints = nlohmann::ordered_json::array();
    for (std::size_t rule = 0; rule < idle_hints.size(); ++rule) {
      if (!idle_hints[rule].empty()) hints.push_back({{"rule", rule}, {"hint", idle_hints[rule]}});
    }
    if (!hints.empty()) json["idleHints"] = std::move(hints);
    json["page"] = MessageJson(page);
    return JsonText(json);
  }

  // Of a single tensor, all that there is to say.
  std::string TensorText(const PlanAnswer& answer, const Recipe& recipe,
                         const Terminal& terminal) const {
    std::string text = PlanText(answer.tensors[0], terminal);
    for (const std::string& warning : answer.report.warnings()) {
      text += terminal.Yellow("warning:") + " " + Printable(warning) + "\n";
    }
    return text +
           PlanTotalsText(answer.report, spec_.StartText(recipe.generator, answer.report.seed()));
  }

  SpecFlags spec_{SpecFlags::Takes::kEither};
  bool fingerprint_ = false;
};

}  // namespace

std::unique_ptr<Command> MakePlanCommand(CLI::App& app) {
  return std::make_unique<PlanCommand>(app);
}

}  // namespace weightinit::client
