#include <CLI/App.hpp>

#include "client/cli/command.h"
#include "client/cli/exit_code.h"
#include "client/formats/checkpoint.h"
#include "client/printable.h"
#include "nlohmann/json.hpp"

namespace weightinit::client {
namespace {

// The list is itself a manifest: it may stand where a recipe does.
class ManifestCommand final : public Command {
 public:
  explicit ManifestCommand(CLI::App& app) {
    app.add_option(
           "checkpoint", path_,
           "a .safetensors file, a directory of them, or an index (.safetensors.index.json)")
        ->type_name("FILE|DIR")
        ->required();
  }

  absl::StatusOr<int> Run(Session& session) override {
    absl::StatusOr<std::vector<CheckpointFile>> files = OpenCheckpoint(path_);
    if (!files.ok()) return files.status();
    // One tensor per line, in both forms: such lists are read, compared and cut by lines.
    const bool json = session.flags().json;
    std::string text = json ? "{\"tensors\": [" : "tensors:";
    bool first = true;
    for (const CheckpointFile& file : *files) {
      for (const SafetensorsTensor& tensor : file.header.tensors) {
        if (!tensor.dtype.has_value()) {
          session.Warn(file.path + ": tensor '" + tensor.name + "' is left out: dtype " +
                       tensor.dtype_name + " cannot be drawn");
          continue;
        }
        text += json ? (first ? "\n  " : ",\n  ") + Entry(tensor, "\"", ": ")
                     : "\n  - " + Entry(tensor, "", ": ");
        first = false;
      }
    }
    if (first && !json) text += " []";
    session.Print(text + (json ? "\n]}\n" : "\n"));
    return kExitDone;
  }

 private:
  static std::string Entry(const SafetensorsTensor& tensor, const std::string& quote,
                           const std::string& colon) {
    const auto key = [&](const char* name) { return quote + name + quote + colon; };
    // A JSON text in ASCII is a YAML text too, whatever the name is.
    return "{" + key("name") + nlohmann::json(tensor.name).dump() + ", " + key("shape") +
           ToString(tensor.shape) + ", " + key("dtype") + quote + std::string(Name(*tensor.dtype)) +
           quote + "}";
  }

  std::string path_;
};

}  // namespace

std::unique_ptr<Command> MakeManifestCommand(CLI::App& app) {
  return std::make_unique<ManifestCommand>(app);
}

}  // namespace weightinit::client
