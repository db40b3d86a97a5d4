#include <CLI/App.hpp>

#include "client/cli/checkpoint_digest.h"
#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/message_json.h"
#include "client/cli/recipe_source.h"
#include "client/cli/spec_flags.h"
#include "client/formats/checkpoint.h"
#include "client/printable.h"

namespace weightinit::client {
namespace {

class DigestCommand final : public Command {
 public:
  explicit DigestCommand(CLI::App& app) {
    spec_.AddTo(
        app,
        "a recipe or ready recipe: digests of what would be drawn; a .safetensors file, or a "
        "directory of them, without --rules or --init: digests of the bytes it holds");
  }

  absl::StatusOr<int> Run(Session& session) override {
    if (!spec_.recipe().empty() && IsCheckpoint(spec_.recipe()) && !spec_.has_initializers()) {
      if (absl::Status status = spec_.CheckRecipeAlone(); !status.ok()) return status;
      return DigestFile(session);
    }
    absl::StatusOr<Spec> spec = spec_.Load();
    if (!spec.ok()) return spec.status();
    absl::StatusOr<Model> model = spec_.Resolve(*spec);
    if (!model.ok()) return model.status();
    absl::StatusOr<std::vector<Selection>> selections = spec_.Select(*model);
    if (!selections.ok()) return selections.status();
    for (const std::string& warning : spec_.Warnings(*model)) session.Warn(warning);
    absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model->plan, *selections);
    if (!bound.ok()) return bound.status();
    WarnOfApproximations(model->plan, *bound, session);
    absl::StatusOr<Drawn> drawn = DrawAndSummarize(
        *model, *selections, {.single_tensor = spec->single_tensor, .shard = spec_.shard()}, 0,
        session, [](const v1::SummarizeResponse&) {});
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, "", TensorsJson(*drawn), model->plan)));
      return kExitDone;
    }
    session.Print(Lines(*drawn));
    session.Note(spec_.SeedText(model->plan.generator, model->plan.seed) + "\n");
    return kExitDone;
  }

 private:
  absl::StatusOr<int> DigestFile(Session& session) {
    absl::StatusOr<std::vector<CheckpointFile>> files = OpenCheckpoint(spec_.recipe());
    if (!files.ok()) return files.status();
    absl::StatusOr<Drawn> drawn = DigestCheckpoint(*files, session);
    if (!drawn.ok()) return drawn.status();
    session.Print(session.flags().json
                      ? JsonText(DrawnJson(*drawn, spec_.recipe(), TensorsJson(*drawn)))
                      : Lines(*drawn));
    return kExitDone;
  }

  // Digest, two spaces, name, as sha256sum does it; the last line is that of all of them.
  static std::string Lines(const Drawn& drawn) {
    std::string text;
    for (const DrawnTensor& tensor : drawn.tensors) {
      text += DigestText(tensor.digest) + "  " + Printable(tensor.name) + "\n";
    }
    if (drawn.what == DigestOfWhat::kTensor) return text;
    return text + DigestText(drawn.digest()) + "  " + DigestName(drawn.what, " ") + "\n";
  }

  SpecFlags spec_{SpecFlags::Takes::kEither};
};

}  // namespace

std::unique_ptr<Command> MakeDigestCommand(CLI::App& app) {
  return std::make_unique<DigestCommand>(app);
}

}  // namespace weightinit::client
