#include <CLI/App.hpp>
#include <optional>
#include <utility>

#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/flag_value.h"
#include "client/cli/look.h"
#include "client/cli/message_json.h"
#include "client/cli/output_layout.h"
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
                   "stdout); or a new directory. The same command continues a run that broke off")
        ->type_name("FILE|DIR")
        ->check(NonEmpty());
    app.add_option("--max-shard-size", max_shard_size_,
                   "into a directory of safetensors files of up to this size and their index, as "
                   "Hugging Face has it: 5GB [the default], 500MB, 2GiB. Tensors are never cut")
        ->type_name("SIZE")
        ->check(NonEmpty());
    app.add_option("--format", format_,
                   "of a directory: safetensors [default], or npy: one file for each tensor, and "
                   "weightinit.index.json with their names")
        ->type_name("FORMAT")
        ->check(NonEmpty());
  }

  absl::StatusOr<int> Run(Session& session) override {
    std::optional<OutputTarget> target;
    if (output_.empty() && (!format_.empty() || !max_shard_size_.empty())) {
      return UsageError("--format and --max-shard-size go with -o DIR");
    }
    if (output_ == "-" && session.flags().json) {
      return UsageError("-o - and --json both write to stdout");
    }
    if (!output_.empty()) {  // before anything is drawn
      absl::StatusOr<OutputTarget> parsed = ParseOutputTarget(output_, format_, max_shard_size_);
      if (!parsed.ok()) return parsed.status();
      target = *std::move(parsed);
    }
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    absl::StatusOr<Model> model = spec_.Resolve(*spec);
    if (!model.ok()) return model.status();
    absl::StatusOr<std::vector<Selection>> selections = spec_.Select(*model);
    if (!selections.ok()) return selections.status();
    if (model->plan.tensors.empty()) session.Warn("the recipe has no tensors");
    for (const std::string& warning : model->plan.warnings) session.Warn(warning);
    for (const std::string& warning : spec_.Warnings(*model)) session.Warn(warning);
    return target.has_value() ? Write(session, *target, *model, *selections)
                              : Look(session, *model, *selections);
  }

 private:
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
                 {.title = "MAX", .align = kRight, .rank = 2},
                 {.title = "HISTOGRAM", .rank = 4},
                 {.title = "DIGEST", .rank = 5}});
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    absl::StatusOr<Drawn> drawn = DrawAndSummarize(
        model, selections, {.shard = spec_.shard()}, kBins, session,
        [&](const v1::SummarizeResponse& summary) {
          if (session.flags().json) {
            json.push_back(MessageJson(summary));
            return;
          }
          const v1::TensorPlan& plan = summary.plan();
          const auto& counts = summary.histogram().counts();
          const std::vector<std::uint64_t> bins(counts.begin(), counts.end());
          table.Add({summary.name(), ShapeText(summary.shape()), v1::DType_Name(summary.dtype()),
                     plan.initializer(), Brief(summary.mean()), Brief(plan.expected_mean()),
                     Brief(summary.std()), Brief(plan.expected_std()), Brief(summary.min()),
                     Brief(summary.max()), HistogramLines(bins, 1)[0],
                     DigestText(summary.digest())});
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

  absl::StatusOr<int> Write(Session& session, const OutputTarget& target, const Model& model,
                            const std::vector<Selection>& selections) {
    absl::StatusOr<Drawn> drawn =
        DrawInto(target, model, selections, {.shard = spec_.shard(), .resumable = true}, session);
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, output_, TensorsJson(*drawn), model.plan)));
    } else if (output_ != "-") {
      session.Note(DrawnLine(*drawn, model, output_, spec_));
    }
    return kExitDone;
  }

  static constexpr int kBins = 16;  // characters of a column

  SpecFlags spec_{SpecFlags::Takes::kRecipe};
  std::string output_, max_shard_size_, format_;
};

}  // namespace

std::unique_ptr<Command> MakeModelCommand(CLI::App& app) {
  return std::make_unique<ModelCommand>(app);
}

}  // namespace weightinit::client
