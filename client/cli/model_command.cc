#include <sys/stat.h>

#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/look.h"
#include "client/cli/message_json.h"
#include "client/cli/output.h"
#include "client/cli/spec_flags.h"
#include "client/cli/table.h"

namespace weightinit::client {
namespace {

class ModelCommand final : public Command {
 public:
  explicit ModelCommand(CLI::App& app) {
    spec_.AddTo(
        app,
        "a recipe or manifest (YAML, JSON; - is stdin), a .safetensors file, or a ready recipe");
    app.add_option("-o,--output", output_,
                   "file by extension: .safetensors, .bin (raw, in recipe order), or - (raw, to "
                   "stdout)")
        ->type_name("FILE")
        ->check(NonEmpty());
    app.add_option("--max-shard-size", max_shard_size_, "not supported by this version")
        ->type_name("SIZE")
        ->group("");
  }

  absl::StatusOr<int> Run(Session& session) override {
    if (absl::Status status = CheckOutput(session); !status.ok()) return status;
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    absl::StatusOr<Model> model = spec_.Resolve(*spec);
    if (!model.ok()) return model.status();
    absl::StatusOr<std::vector<Selection>> selections = spec_.Select(*model);
    if (!selections.ok()) return selections.status();
    if (model->plan.tensors.empty()) session.Warn("the recipe has no tensors");
    return output_.empty() ? Look(session, *model, *selections)
                           : Write(session, *model, *selections);
  }

 private:
  // Before anything is drawn.
  absl::Status CheckOutput(const Session& session) const {
    if (output_ == "-" && session.flags().json) {
      return UsageError("-o - and --json both write to stdout");
    }
    struct stat info {};
    const bool directory =
        output_.ends_with('/') || (::stat(output_.c_str(), &info) == 0 && S_ISDIR(info.st_mode));
    if (!max_shard_size_.empty() || directory) {
      return UsageError(
          "this version writes a model to one file, as in -o model.safetensors; shards in a "
          "directory are not supported yet");
    }
    return output_.empty() ? absl::OkStatus() : OutputKindOf(output_).status();
  }

  absl::StatusOr<int> Look(Session& session, const Model& model,
                           const std::vector<Selection>& selections) {
    using enum Table::Fit;
    constexpr auto kRight = Table::Align::kRight;
    Table table({{.title = "TENSOR", .fit = kShortenedInTheMiddle},
                 {.title = "SHAPE"},
                 {.title = "DTYPE", .rank = 1},
                 {.title = "INITIALIZER", .fit = kShortened, .rank = 3},
                 {.title = "MEAN", .align = kRight},
                 {.title = "EXPECTED", .align = kRight},
                 {.title = "STD", .align = kRight},
                 {.title = "EXPECTED", .align = kRight},
                 {.title = "MIN", .align = kRight, .rank = 2},
                 {.title = "MAX", .align = kRight, .rank = 2}});
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    absl::StatusOr<Drawn> drawn = DrawAndSummarize(
        model, selections, /*single_tensor=*/false, 0, session,
        [&](const v1::SummarizeResponse& summary) {
          if (session.flags().json) {
            json.push_back(MessageJson(summary));
            return;
          }
          const v1::TensorPlan& plan = summary.plan();
          table.Add({summary.name(), ShapeText(summary.shape()), v1::DType_Name(summary.dtype()),
                     plan.initializer(), Brief(summary.mean()), Brief(plan.expected_mean()),
                     Brief(summary.std()), Brief(plan.expected_std()), Brief(summary.min()),
                     Brief(summary.max())});
        });
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, "", std::move(json), model.plan)));
    } else {
      session.Print(table.Text(session.out()));
      session.Note(DrawnLine(*drawn, model, "drawn", spec_));
    }
    return kExitDone;
  }

  absl::StatusOr<int> Write(Session& session, const Model& model,
                            const std::vector<Selection>& selections) {
    absl::StatusOr<Drawn> drawn =
        DrawInto(output_, model, selections, /*single_tensor=*/false, session);
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, output_, TensorsJson(*drawn), model.plan)));
    } else if (output_ != "-") {
      session.Note(DrawnLine(*drawn, model, output_, spec_));
    }
    return kExitDone;
  }

  SpecFlags spec_{SpecFlags::Takes::kRecipe};
  std::string output_, max_shard_size_;
};

}  // namespace

std::unique_ptr<Command> MakeModelCommand(CLI::App& app) {
  return std::make_unique<ModelCommand>(app);
}

}  // namespace weightinit::client
