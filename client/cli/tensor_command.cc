#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/look.h"
#include "client/cli/message_json.h"
#include "client/cli/output_layout.h"
#include "client/cli/spec_flags.h"

namespace weightinit::client {
namespace {

class TensorCommand final : public Command {
 public:
  explicit TensorCommand(CLI::App& app) {
    spec_.AddTo(app, "");
    app.add_option("-o,--output", output_,
                   "file by extension: .npy, .safetensors, .bin (raw), or - (raw, to stdout)")
        ->type_name("FILE")
        ->check(NonEmpty());
  }

  absl::StatusOr<int> Run(Session& session) override {
    if (output_ == "-" && session.flags().json) {
      return UsageError("-o - and --json both write to stdout");
    }
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    absl::StatusOr<Model> model = spec_.Resolve(*spec);
    if (!model.ok()) return model.status();
    absl::StatusOr<std::vector<Selection>> selections = spec_.Select(*model);
    if (!selections.ok()) return selections.status();
    if (output_.empty()) return Look(session, *model, *selections);
    absl::StatusOr<OutputTarget> target = ParseOutputTarget(output_, "", "");
    if (!target.ok()) return target.status();
    if (target->is_directory()) return UsageError("-o " + output_ + ": is a directory");
    if (target->kind == OutputKind::kSafetensors && model->plan.tensors[0].name.empty()) {
      return UsageError("--name is missing: it is what -o " + output_ + " finds the tensor by");
    }
    return Write(session, *target, *model, *selections);
  }

 private:
  absl::StatusOr<int> Look(Session& session, const Model& model,
                           const std::vector<Selection>& selections) {
    std::string text;  // printed when the progress bar is done
    absl::StatusOr<Drawn> drawn =
        DrawAndSummarize(model, selections, {.single_tensor = true}, kLookBins, session,
                         [&](const v1::SummarizeResponse& summary) {
                           text += session.flags().json ? JsonText(MessageJson(summary))
                                                        : LookText(summary, session.out());
                         });
    if (!drawn.ok()) return drawn.status();
    session.Print(text);
    if (!session.flags().json)
      session.Note(spec_.SeedText(model.plan.generator, model.plan.seed) + "\n");
    return kExitDone;
  }

  absl::StatusOr<int> Write(Session& session, const OutputTarget& target, const Model& model,
                            const std::vector<Selection>& selections) {
    for (const std::string& warning : model.plan.tensors[0].warnings) session.Warn(warning);
    absl::StatusOr<Drawn> drawn =
        DrawInto(target, model, selections, {.single_tensor = true}, session);
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, output_, TensorsJson(*drawn), model.plan)));
    } else if (output_ != "-") {
      session.Note(DrawnLine(*drawn, model, output_, spec_));
    }
    return kExitDone;
  }

  SpecFlags spec_{SpecFlags::Takes::kTensor};
  std::string output_;
};

}  // namespace

std::unique_ptr<Command> MakeTensorCommand(CLI::App& app) {
  return std::make_unique<TensorCommand>(app);
}

}  // namespace weightinit::client
