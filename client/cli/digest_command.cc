#include <fcntl.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

#include "client/cli/command.h"
#include "client/cli/drawing.h"
#include "client/cli/exit_code.h"
#include "client/cli/message_json.h"
#include "client/cli/progress.h"
#include "client/cli/recipe_source.h"
#include "client/cli/spec_flags.h"
#include "client/printable.h"
#include "nlohmann/json.hpp"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
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
      absl::StatusOr<Part> part = PartOf(file, tensor);
      if (!part.ok()) return part.status();
      drawn.digest_weight = DigestWeight(CanonicalName(tensor.name), drawn.dtype, part->full_shape);
      if (absl::Status status = Read(fd, file.path, tensor, *part, drawn); !status.ok()) {
        return status;
      }
    }
    return tensors;
  }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;  // stays in the cache

  // Which elements of which tensor stand in a file: element j of it (row-major over `shape`) has
  // the logical index base + Σ_d j_d·strides[d].
  struct Part {
    Shape full_shape;
    Shape shape;
    std::int64_t base = 0;
    std::vector<std::int64_t> strides;
  };

  // All of the tensor, unless the file's metadata says that it holds a slice.
  static absl::StatusOr<Part> PartOf(const CheckpointFile& file, const SafetensorsTensor& tensor) {
    const auto& metadata = file.header.metadata;
    const auto shape = metadata.find(kShapeKey), slice = metadata.find(kSliceKey);
    if (shape == metadata.end() || slice == metadata.end()) {
      return Part{tensor.shape, {(tensor.end - tensor.begin) / SizeBytes(*tensor.dtype)}, 0, {1}};
    }
    const absl::Status error = absl::InvalidArgumentError(
        file.path + ": tensor '" + tensor.name + "' has shape " + ToString(tensor.shape) +
        ", which its metadata denies: " + slice->second + " of " + shape->second);
    TensorSpec spec;
    spec.dtype = tensor.dtype;
    spec.init = Zeros{};
    const auto json = nlohmann::json::parse(shape->second, nullptr, /*allow_exceptions=*/false);
    if (!json.is_array()) return error;
    for (const auto& dim : json) {
      if (!dim.is_number_integer()) return error;
      spec.shape.push_back(dim);
    }
    const absl::StatusOr<ModelPlan> plan = ResolveTensor(spec, 0, Generator{});
    if (!plan.ok()) return error;
    absl::StatusOr<Slice> parsed = ParseSlice(slice->second, spec.shape);
    if (!parsed.ok()) return error;
    Selection selection;
    selection.slice = *std::move(parsed);
    const absl::StatusOr<BoundSelection> bound = Bind(*plan, selection, "slice");
    if (!bound.ok() || bound->shape != tensor.shape) return error;
    return Part{spec.shape, bound->shape, bound->base, bound->strides};
  }

  // Elements [first, first + count) of the part, which `bytes` holds.
  static std::uint64_t DigestOfRange(const Part& part, DType dtype, std::int64_t first,
                                     std::span<const std::byte> bytes) {
    const std::int64_t element = SizeBytes(dtype);
    const std::int64_t row = part.shape.empty() ? 1 : part.shape.back();
    const std::int64_t stride = part.shape.empty() ? 1 : part.strides.back();
    std::uint64_t digest = 0;
    while (!bytes.empty()) {
      const std::int64_t column = first % row;
      const std::int64_t count =
          std::min(row - column, static_cast<std::int64_t>(bytes.size()) / element);
      std::int64_t index = part.base + column * stride;
      std::int64_t rest = first / row;
      for (std::size_t d = part.shape.size(); d-- > 1;) {
        index += rest % part.shape[d - 1] * part.strides[d - 1];
        rest /= part.shape[d - 1];
      }
      const auto size = static_cast<std::size_t>(count * element);
      digest += DigestOf({.offset = first,
                          .count = count,
                          .index = index,
                          .stride = stride,
                          .dtype = dtype,
                          .values = bytes.first(size)});
      bytes = bytes.subspan(size);
      first += count;
    }
    return digest;
  }

  absl::Status Read(int fd, const std::string& path, const SafetensorsTensor& tensor,
                    const Part& part, DrawnTensor& drawn) {
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
      drawn.digest +=
          DigestOfRange(part, drawn.dtype, (at - tensor.begin) / element, {buffer_.get(), wanted});
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
    absl::StatusOr<Drawn> drawn = DrawAndSummarize(*model, *selections, spec->single_tensor, 0,
                                                   session, [](const v1::SummarizeResponse&) {});
    if (!drawn.ok()) return drawn.status();
    if (session.flags().json) {
      session.Print(JsonText(DrawnJson(*drawn, "", TensorsJson(*drawn), model->plan)));
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
    drawn.what = WhatIn(*files);
    session.Print(session.flags().json
                      ? JsonText(DrawnJson(drawn, spec_.recipe(), TensorsJson(drawn)))
                      : Lines(drawn));
    return kExitDone;
  }

  // As the program that wrote it says.
  static DigestOfWhat WhatIn(const std::vector<CheckpointFile>& files) {
    if (files.size() != 1) return DigestOfWhat::kModel;
    const SafetensorsHeader& header = files[0].header;
    for (const DigestOfWhat what : {DigestOfWhat::kTensor, DigestOfWhat::kSelection}) {
      if (header.metadata.contains("weightinit." + DigestName(what, "_")) &&
          (what != DigestOfWhat::kTensor || header.tensors.size() == 1)) {
        return what;
      }
    }
    return DigestOfWhat::kModel;
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
