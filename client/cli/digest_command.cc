#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <cerrno>
#include <memory>

#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/progress.h"
#include "client/cli/recipe_source.h"
#include "client/cli/spec_flags.h"
#include "client/printable.h"
#include "nlohmann/json.hpp"
#include "weightinit/sink.h"

namespace weightinit::client {
namespace {

// Digests of the bytes that a checkpoint holds; nothing is drawn.
class CheckpointDigest {
 public:
  CheckpointDigest(const Session& session, Progress& progress)
      : session_(session), progress_(progress), buffer_(new std::byte[kBufferBytes]) {}

  absl::StatusOr<std::vector<DrawnTensor>> Of(const CheckpointFile& file) {
    const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return absl::ErrnoToStatus(errno, file.path);
    struct Closer {
      int fd;
      ~Closer() { ::close(fd); }
    } closer{fd};
    std::vector<DrawnTensor> tensors;
    for (const SafetensorsTensor& tensor : file.header.tensors) {
      if (!tensor.dtype.has_value()) {
        return absl::InvalidArgumentError(file.path + ": tensor '" + tensor.name + "': dtype " +
                                          tensor.dtype_name + " has no digest");
      }
      DrawnTensor& drawn = tensors.emplace_back();
      drawn.name = tensor.name;
      drawn.dtype = *tensor.dtype;
      drawn.shape = tensor.shape;
      drawn.num_bytes = tensor.end - tensor.begin;
      drawn.digest_weight = DigestWeight(CanonicalName(tensor.name), drawn.dtype, drawn.shape);
      if (absl::Status status = Read(fd, file.path, tensor, drawn); !status.ok()) return status;
    }
    return tensors;
  }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;  // stays in the cache

  absl::Status Read(int fd, const std::string& path, const SafetensorsTensor& tensor,
                    DrawnTensor& drawn) {
    const std::int64_t element = SizeBytes(drawn.dtype);
    for (std::int64_t at = tensor.begin; at < tensor.end;) {
      if (session_.stop().stop_requested()) return absl::CancelledError("interrupted");
      const auto wanted = std::min(kBufferBytes, static_cast<std::size_t>(tensor.end - at));
      std::size_t have = 0;
      while (have < wanted) {
        const ssize_t count =
            ::pread(fd, buffer_.get() + have, wanted - have, at + static_cast<std::int64_t>(have));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return absl::ErrnoToStatus(errno, path);
        if (count == 0) return absl::DataLossError(path + ": became shorter while it was read");
        have += static_cast<std::size_t>(count);
      }
      const std::int64_t first = (at - tensor.begin) / element;
      drawn.digest += DigestOf({.offset = first,
                                .count = static_cast<std::int64_t>(wanted) / element,
                                .index = first,
                                .dtype = drawn.dtype,
                                .values = {buffer_.get(), wanted}});
      at += static_cast<std::int64_t>(wanted);
      progress_.Add(static_cast<std::int64_t>(wanted));
    }
    return absl::OkStatus();
  }

  const Session& session_;
  Progress& progress_;
  const std::unique_ptr<std::byte[]> buffer_;
};

class DigestCommand final : public Command {
 public:
  explicit DigestCommand(CLI::App& app) {
    spec_.AddTo(app,
                "a recipe or ready recipe: digests of what would be drawn; a .safetensors file "
                "without --rules or --init: digests of the bytes it holds");
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
    absl::StatusOr<Drawn> drawn =
        DrawAndSummarize(*model, *selections, 0, session, [](const v1::SummarizeResponse&) {});
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(DrawnJson(*drawn, *model, ""));
      return kExitDone;
    }
    session.Print(Lines(*drawn));
    session.Note(spec_.SeedText(model->plan.seed) + "\n");
    return kExitDone;
  }

 private:
  static bool IsCheckpoint(const std::string& path) { return IsSafetensorsName(path); }

  absl::StatusOr<int> DigestFile(Session& session) {
    absl::StatusOr<std::vector<CheckpointFile>> files = OpenCheckpoint(spec_.recipe());
    if (!files.ok()) return files.status();
    std::int64_t total = 0;
    for (const CheckpointFile& file : *files) {
      for (const SafetensorsTensor& tensor : file.header.tensors)
        total += tensor.end - tensor.begin;
    }
    Drawn drawn;
    {
      Progress progress(total, session.show_progress());
      CheckpointDigest digest(session, progress);
      for (const CheckpointFile& file : *files) {
        absl::StatusOr<std::vector<DrawnTensor>> tensors = digest.Of(file);
        if (!tensors.ok()) return tensors.status();
        drawn.tensors.insert(drawn.tensors.end(), tensors->begin(), tensors->end());
      }
    }
    session.Print(session.flags().json ? FileJson(drawn) : Lines(drawn));
    return kExitDone;
  }

  // Digest, two spaces, name, as sha256sum does it; the last line is the whole.
  static std::string Lines(const Drawn& drawn) {
    std::string text;
    for (const DrawnTensor& tensor : drawn.tensors) {
      text += DigestText(tensor.digest) + "  " + Printable(tensor.name) + "\n";
    }
    return text + DigestText(drawn.digest()) + "  total\n";
  }

  std::string FileJson(const Drawn& drawn) const {
    nlohmann::ordered_json json;
    json["file"] = spec_.recipe();
    json["tensors"] = nlohmann::ordered_json::array();
    for (const DrawnTensor& tensor : drawn.tensors) {
      json["tensors"].push_back({{"name", tensor.name},
                                 {"dtype", Name(tensor.dtype)},
                                 {"shape", tensor.shape},
                                 {"bytes", tensor.num_bytes},
                                 {"digest", DigestText(tensor.digest)}});
    }
    json["bytes"] = drawn.num_bytes();
    json["digest"] = DigestText(drawn.digest());
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }

  SpecFlags spec_{SpecFlags::Takes::kEither};
};

}  // namespace

std::unique_ptr<Command> MakeDigestCommand(CLI::App& app) {
  return std::make_unique<DigestCommand>(app);
}

}  // namespace weightinit::client
