#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/cli/look.h"
#include "client/cli/message_json.h"
#include "client/cli/spec_flags.h"
#include "client/cli/table.h"
#include "client/printable.h"
#include "re2/re2.h"

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
    absl::StatusOr<std::unique_ptr<Backend>> backend = session.Connect();
    if (!backend.ok()) return backend.status();
    absl::StatusOr<PlanAnswer> answer = (*backend)->Plan(spec->recipe, session.stop());
    if (!answer.ok()) {
      // The library's refusals are the same here as anywhere; only here they come with lines, and
      // with the names that the flags have.
      if (absl::StatusOr<Model> model = spec_.Resolve(*spec);
          !model.ok() && model.status().code() == answer.status().code()) {
        return model.status();
      }
      return answer.status();
    }
    if (answer->report.drawable()) {
      // --only picks by the names of the plan.
      absl::StatusOr<Model> model = spec_.Resolve(*spec);
      if (!model.ok()) return model.status();
      if (absl::Status status = KeepSelected(*model, *answer); !status.ok()) return status;
    }
    if (fingerprint_) {
      if (answer->report.drawable()) {
        const std::string fingerprint = Hex(answer->report.fingerprint());
        session.Print(session.flags().json ? JsonText({{"fingerprint", fingerprint}})
                                           : fingerprint + "\n");
      }
    } else if (session.flags().json) {
      session.Print(Json(*answer));
    } else {
      session.Print(Text(*answer, spec->single_tensor, session.out()));
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

  static std::string Json(const PlanAnswer& answer) {
    v1::PlanPage page;
    page.mutable_tensors()->Add(answer.tensors.begin(), answer.tensors.end());
    return JsonText({{"report", MessageJson(answer.report)}, {"page", MessageJson(page)}});
  }

  std::string Text(const PlanAnswer& answer, bool single, const Terminal& terminal) const {
    const v1::PlanReport& report = answer.report;
    std::string text;
    if (single && answer.tensors.size() == 1) {
      text = PlanText(answer.tensors[0], terminal);
    } else {
      using Fit = Table::Fit;
      Table table({{.title = "TENSOR", .fit = Fit::kShortenedInTheMiddle},
                   {.title = "SHAPE"},
                   {.title = "DTYPE"},
                   {.title = "RULE"},
                   {.title = "INITIALIZER",
                    .fit = Fit::kShortened,
                    .rank = 1,
                    .moved = Table::Moved::kBelow},
                   {.title = "MEAN", .align = Table::Align::kRight},
                   {.title = "STD", .align = Table::Align::kRight},
                   {.title = "WHY", .rank = 2, .moved = Table::Moved::kBelow}});
      for (const v1::TensorPlan& tensor : answer.tensors) {
        table.Add({tensor.name(), ShapeText(tensor.shape()), v1::DType_Name(tensor.dtype()),
                   tensor.has_rule() ? std::to_string(tensor.rule()) : "own", tensor.initializer(),
                   Short(tensor.expected_mean()), Short(tensor.expected_std()), tensor.why()});
      }
      text = table.Text(terminal);
      for (const v1::TensorPlan& tensor : answer.tensors) {
        for (const std::string& warning : tensor.warnings()) {
          text +=
              terminal.Yellow("warning:") + " " + Printable(tensor.name() + ": " + warning) + "\n";
        }
      }
    }
    for (const std::string& warning : report.warnings()) {
      text += terminal.Yellow("warning:") + " " + Printable(warning) + "\n";
    }
    if (answer.tensors.size() < report.tensor_count()) {
      text += WithCommas(answer.tensors.size()) + " of " + WithCommas(report.tensor_count()) +
              " tensors shown; the whole recipe:\n";
    }
    text += WithCommas(report.tensor_count()) +
            (report.tensor_count() == 1 ? " tensor, " : " tensors, ") +
            WithCommas(report.element_count()) + " elements, " +
            HumanBytes(static_cast<double>(report.byte_count())) + "; " +
            Printable(report.generator()) + ", " + spec_.SeedText(report.seed()) + "\n";
    if (report.skipped_size() > 0) {
      text += WithCommas(static_cast<std::uint64_t>(report.skipped_size())) + " skipped by rules\n";
    }
    if (report.overlap_count() > 0) {
      text +=
          WithCommas(report.overlap_count()) + " tensors match several rules; the first one wins\n";
    }
    if (report.drawable()) text += "fingerprint " + Hex(report.fingerprint()) + "\n";
    return text;
  }

  SpecFlags spec_{SpecFlags::Takes::kEither};
  bool fingerprint_ = false;
};

}  // namespace

std::unique_ptr<Command> MakePlanCommand(CLI::App& app) {
  return std::make_unique<PlanCommand>(app);
}

}  // namespace weightinit::client
