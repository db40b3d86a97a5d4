#include "client/cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/cli/exit_code.h"
#include "client/formats/npy.h"
#include "client/formats/safetensors.h"

namespace weightinit::client {
namespace {

using Metadata = std::map<std::string, std::string>;

// A file with a head, and values at offsets that are known before the first of them comes.
class FileOutput final : public Output, private Receiver {
 public:
  FileOutput(OutputKind kind, std::vector<OutputItem> items, Progress& progress)
      : kind_(kind), items_(std::move(items)), progress_(progress) {
    digests_.resize(items_.size());
  }

  absl::Status Open(const std::string& path, const Metadata& metadata) {
    if (absl::Status status = LayOut(metadata); !status.ok()) return status;
    absl::StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(path);
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    return absl::OkStatus();
  }

  Receiver& receiver() override { return *this; }

  absl::Status Finish(const Metadata& metadata) override {
    const std::size_t length = head_.size();
    if (absl::Status status = LayOut(metadata); !status.ok()) return status;
    if (head_.size() != length) return absl::InternalError("the file's head changed its length");
    absl::Status status = file_->Write(std::as_bytes(std::span(head_)), 0);
    return status.ok() ? file_->Commit() : status;
  }

 private:
  bool in_order() const override { return false; }
  absl::Status Take(std::size_t selection, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override {
    absl::Status status = file_->Write(bytes, offsets_[selection] + byte_offset);
    progress_.Add(static_cast<std::int64_t>(bytes.size()));
    return status;
  }
  absl::Status Done(std::size_t selection, std::uint64_t digest) override {
    digests_[selection] = digest;
    return absl::OkStatus();
  }

  absl::Status LayOut(const Metadata& metadata) {
    if (kind_ == OutputKind::kSafetensors) {
      std::vector<SafetensorsEntry> entries;
      for (const OutputItem& item : items_) entries.push_back({item.name, item.dtype, item.shape});
      absl::StatusOr<SafetensorsLayout> layout = LayOutSafetensors(entries, metadata);
      if (!layout.ok()) return layout.status();
      head_ = std::move(layout->head);
      offsets_ = std::move(layout->offsets);
      return absl::OkStatus();
    }
    if (kind_ == OutputKind::kNpy) head_ = NpyHead(items_[0].dtype, items_[0].shape);
    offsets_.clear();
    auto offset = static_cast<std::int64_t>(head_.size());
    for (const OutputItem& item : items_) {
      offsets_.push_back(offset);
      offset += item.num_bytes;
    }
    return absl::OkStatus();
  }

  const OutputKind kind_;
  const std::vector<OutputItem> items_;
  Progress& progress_;
  std::string head_;
  std::vector<std::int64_t> offsets_;
  std::unique_ptr<OutputFile> file_;
};

// Raw bytes, one selection after the other.
class StdoutOutput final : public Output, private Receiver {
 public:
  StdoutOutput(std::size_t num_items, Progress& progress) : progress_(progress) {
    digests_.resize(num_items);
  }
  Receiver& receiver() override { return *this; }
  absl::Status Finish(const Metadata&) override { return absl::OkStatus(); }

 private:
  bool in_order() const override { return true; }
  absl::Status Take(std::size_t, std::int64_t, std::span<const std::byte> bytes) override {
    progress_.Add(static_cast<std::int64_t>(bytes.size()));
    while (!bytes.empty()) {
      const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
      // A pipe that nobody reads: Interrupt alone wakes us.
      if (count < 0 && errno == EINTR) return absl::CancelledError("interrupted");
      if (count <= 0) return absl::ErrnoToStatus(count == 0 ? EIO : errno, "stdout");
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return absl::OkStatus();
  }
  absl::Status Done(std::size_t selection, std::uint64_t digest) override {
    digests_[selection] = digest;
    return absl::OkStatus();
  }

  Progress& progress_;
};

}  // namespace

absl::StatusOr<OutputKind> OutputKindOf(const std::string& path) {
  if (path == "-") return OutputKind::kStdout;
  if (path.ends_with(".npy")) return OutputKind::kNpy;
  if (path.ends_with(".safetensors")) return OutputKind::kSafetensors;
  if (path.ends_with(".bin")) return OutputKind::kBin;
  return UsageError("-o " + path +
                    ": the extension says the format: .npy, .safetensors, .bin (raw), or - (raw, "
                    "to stdout)");
}

absl::StatusOr<std::unique_ptr<Output>> Output::Create(const std::string& path,
                                                       std::vector<OutputItem> items,
                                                       const Metadata& metadata,
                                                       Progress& progress) {
  const absl::StatusOr<OutputKind> kind = OutputKindOf(path);
  if (!kind.ok()) return kind.status();
  if (*kind == OutputKind::kStdout) {
    if (::isatty(STDOUT_FILENO) == 1) {
      return UsageError("-o - writes raw bytes, which a terminal cannot show; redirect stdout");
    }
    return std::make_unique<StdoutOutput>(items.size(), progress);
  }
  if (*kind == OutputKind::kNpy && items.size() != 1) {
    return UsageError("-o " + path + ": an .npy file holds one tensor, not " +
                      std::to_string(items.size()) + "; use .safetensors or --only");
  }
  auto output = std::make_unique<FileOutput>(*kind, std::move(items), progress);
  if (absl::Status status = output->Open(path, metadata); !status.ok()) return status;
  return output;
}

}  // namespace weightinit::client
