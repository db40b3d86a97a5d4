#include "client/cli/output.h"

#include <openssl/sha.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "client/cli/exit_code.h"
#include "client/cli/terminal.h"
#include "client/formats/output_file.h"
#include "client/formats/staged_output.h"
#include "client/printable.h"
#include "weightinit/plan.h"

namespace weightinit::client {
namespace {

absl::Status CheckSameLayout(const OutputLayout& before, const OutputLayout& after) {
  for (std::size_t f = 0; f < before.files.size(); ++f) {
    if (before.files[f].head.size() != after.files[f].head.size()) {
      return absl::InternalError("the head of a file changed its length");
    }
  }
  return absl::OkStatus();
}

// A file with a head, and values at offsets that are known before the first of them comes.
class FileOutput final : public Output {
 public:
  FileOutput(OutputRequest request, OutputLayout layout, std::unique_ptr<OutputFile> file)
      : request_(std::move(request)), layout_(std::move(layout)), file_(std::move(file)) {
    done_.resize(request_.blocks.size());
  }

  absl::Status Write(std::size_t item, std::int64_t byte_offset,
                     std::span<const std::byte> bytes) override {
    return file_->Write(bytes, layout_.places[item].offset + byte_offset);
  }

  absl::Status Finish(const MetadataOf& metadata_of) override {
    const absl::StatusOr<OutputLayout> last = LayOut(request_.target, request_.items, metadata_of);
    if (!last.ok()) return last.status();
    if (absl::Status status = CheckSameLayout(layout_, *last); !status.ok()) return status;
    absl::Status status = file_->Write(std::as_bytes(std::span(last->files[0].head)), 0);
    return status.ok() ? file_->Commit() : status;
  }

 private:
  const OutputRequest request_;
  const OutputLayout layout_;
  const std::unique_ptr<OutputFile> file_;
};

// Files that a later run can continue.
class ContinuedOutput final : public Output {
 public:
  ContinuedOutput(OutputRequest request, OutputLayout layout, std::unique_ptr<StagedOutput> staged)
      : request_(std::move(request)), layout_(std::move(layout)), staged_(std::move(staged)) {
    done_ = staged_->done();
  }

  std::string Note() const override {
    switch (staged_->beginning()) {
      case StagedOutput::Beginning::kFresh:
        return "";
      case StagedOutput::Beginning::kContinued:
        return "goes on where a run broke off: " + Kept();
      case StagedOutput::Beginning::kStartedOver:
        return Printable(staged_->partial_path()) +
               " is of another recipe, seed or flags: starting over";
    }
    return "";
  }

  absl::Status Write(std::size_t item, std::int64_t byte_offset,
                     std::span<const std::byte> bytes) override {
    const OutputLayout::Place& place = layout_.places[item];
    return staged_->Write(place.file, bytes, place.offset + byte_offset);
  }

  absl::Status BlockDone(std::size_t block, std::uint64_t digest) override {
    return staged_->BlockDone(block, digest);
  }

  absl::Status Finish(const MetadataOf& metadata_of) override {
    absl::StatusOr<OutputLayout> last = LayOut(request_.target, request_.items, metadata_of);
    if (!last.ok()) return last.status();
    if (absl::Status status = CheckSameLayout(layout_, *last); !status.ok()) return status;
    std::vector<LateBytes> heads;
    for (std::size_t f = 0; f < last->files.size(); ++f) {
      heads.push_back({f, 0, std::move(last->files[f].head)});
    }
    return staged_->Commit(heads);
  }

  std::string Leave() override {
    if (!staged_->Leave()) return "";
    return "what is done is kept in " + Printable(staged_->partial_path()) +
           "; the same command goes on from there";
  }

 private:
  std::string Kept() const {
    std::int64_t kept = 0, total = 0;
    for (std::size_t b = 0; b < done_.size(); ++b) {
      total += request_.blocks[b].byte_count;
      if (done_[b].has_value()) kept += request_.blocks[b].byte_count;
    }
    return Printable(staged_->partial_path()) + " holds " + HumanBytes(static_cast<double>(kept)) +
           " of " + HumanBytes(static_cast<double>(total));
  }

  const OutputRequest request_;
  const OutputLayout layout_;
  const std::unique_ptr<StagedOutput> staged_;
};

// Raw bytes, one selection after the other.
class StdoutOutput final : public Output {
 public:
  explicit StdoutOutput(std::size_t num_blocks) { done_.resize(num_blocks); }

  bool in_order() const override { return true; }
  absl::Status Write(std::size_t, std::int64_t, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
      // A pipe that nobody reads: Interrupt alone wakes us.
      if (count < 0 && errno == EINTR) return absl::CancelledError("interrupted");
      if (count <= 0) return absl::ErrnoToStatus(count == 0 ? EIO : errno, "stdout");
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
    return absl::OkStatus();
  }
  absl::Status Finish(const MetadataOf&) override { return absl::OkStatus(); }
};

// A hash of all that determines a byte of the output: equal identities, equal bytes. Heads are laid
// out with digests of zero, which alone differ at the end.
std::string IdentityOf(const OutputRequest& request, const OutputLayout& layout) {
  std::string text = request.identity + "\n";
  for (const LaidOutFile& file : layout.files) {
    text += file.name + "\n" + std::to_string(file.num_bytes) + "\n" + file.head + "\n";
  }
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    const OutputItem& item = request.items[i];
    text += std::to_string(item.name.size()) + " " + item.name + " " +
            std::string(Name(item.dtype)) + " " + ToString(item.shape) + " " +
            std::to_string(layout.places[i].file) + " " + std::to_string(layout.places[i].offset) +
            "\n";
  }
  for (const Block& block : request.blocks) {
    text += std::to_string(block.item) + " " + std::to_string(block.first_byte) + " " +
            std::to_string(block.byte_count) + "\n";
  }
  std::array<std::uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return ToHex(hash);
}

absl::StatusOr<std::unique_ptr<StagedOutput>> OpenStaged(const OutputRequest& request,
                                                         const OutputLayout& layout) {
  StagedSpec spec;
  spec.target = request.target.path;
  spec.is_directory = request.target.is_directory();
  for (const LaidOutFile& file : layout.files) spec.files.push_back({file.name, file.num_bytes});
  for (const Block& block : request.blocks) {
    spec.file_of_block.push_back(layout.places[block.item].file);
  }
  spec.identity = IdentityOf(request, layout);
  return StagedOutput::Open(std::move(spec));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Output>> Output::Create(OutputRequest request,
                                                       const MetadataOf& metadata_of) {
  if (request.target.kind == OutputKind::kStdout) {
    if (::isatty(STDOUT_FILENO) == 1) {
      return UsageError("-o - writes raw bytes, which a terminal cannot show; redirect stdout");
    }
    return std::make_unique<StdoutOutput>(request.blocks.size());
  }
  absl::StatusOr<OutputLayout> layout = LayOut(request.target, request.items, metadata_of);
  if (!layout.ok()) return layout.status();
  const bool is_small = layout->files.size() == 1 && layout->files[0].num_bytes <= kBlockBytes;
  if (!request.target.is_directory() && (is_small || request.identity.empty())) {
    absl::StatusOr<std::unique_ptr<OutputFile>> file = OutputFile::Create(request.target.path);
    if (!file.ok()) return file.status();
    return std::make_unique<FileOutput>(std::move(request), *std::move(layout), *std::move(file));
  }
  absl::StatusOr<std::unique_ptr<StagedOutput>> staged = OpenStaged(request, *layout);
  if (!staged.ok()) return staged.status();
  return std::make_unique<ContinuedOutput>(std::move(request), *std::move(layout),
                                           *std::move(staged));
}

}  // namespace weightinit::client
