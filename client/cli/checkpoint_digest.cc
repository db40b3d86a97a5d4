#include "client/cli/checkpoint_digest.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>

#include "client/cli/progress.h"
#include "client/formats/input_file.h"
#include "client/formats/stored_slices.h"
#include "client/slice_digest.h"
#include "weightinit/recipe.h"
#include "weightinit/sink.h"

namespace weightinit::client {
namespace {

class CheckpointDigest {
 public:
  CheckpointDigest(const Session& session, Progress& progress)
      : session_(session), progress_(progress), buffer_(new std::byte[kBufferBytes]) {}

  absl::Status Add(const CheckpointFile& file, Drawn& drawn) {
    absl::StatusOr<InputFile> input = InputFile::Open(file.path);
    if (!input.ok()) return input.status();
    const absl::StatusOr<StoredSlices> slices = ParseStoredSlices(file.header, file.path);
    if (!slices.ok()) return slices.status();
    // What every rank holds whole, rank 0 counts.
    const auto rank = file.header.metadata.find(kRankKey);
    const bool is_another_rank = rank != file.header.metadata.end() && rank->second != "0";
    for (const SafetensorsTensor& tensor : file.header.tensors) {
      if (!tensor.dtype.has_value()) {
        return absl::InvalidArgumentError(file.path + ": tensor '" + tensor.name + "': dtype " +
                                          tensor.dtype_name + " has no digest");
      }
      const absl::StatusOr<StoredPart> part = PartOf(tensor, *slices, file.path);
      if (!part.ok()) return part.status();
      DrawnTensor& entry = drawn.tensors.emplace_back();
      entry.name = tensor.name;
      entry.dtype = *tensor.dtype;
      entry.shape = tensor.shape;
      entry.num_bytes = tensor.end - tensor.begin;
      entry.digest_weight = DigestWeight(CanonicalName(tensor.name), entry.dtype, part->full_shape);
      entry.is_counted = !(is_another_rank && part->is_whole);
      if (absl::Status status = Read(*input, tensor, part->bound, entry); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

 private:
  static constexpr std::size_t kBufferBytes = std::size_t{1} << 20;  // stays in the cache

  absl::Status Read(const InputFile& file, const SafetensorsTensor& tensor,
                    const BoundSelection& bound, DrawnTensor& entry) {
    const SliceDigest digest(bound);
    for (std::int64_t at = tensor.begin; at < tensor.end;) {
      if (session_.stop().stop_requested()) return absl::CancelledError("interrupted");
      const std::span<std::byte> bytes(
          buffer_.get(), std::min(kBufferBytes, static_cast<std::size_t>(tensor.end - at)));
      if (absl::Status status = file.Read(bytes, at); !status.ok()) return status;
      entry.digest += digest.Of((at - tensor.begin) / SizeBytes(entry.dtype), bytes);
      at += static_cast<std::int64_t>(bytes.size());
      progress_.Add(static_cast<std::int64_t>(bytes.size()));
    }
    return absl::OkStatus();
  }

  const Session& session_;
  Progress& progress_;
  const std::unique_ptr<std::byte[]> buffer_;
};

// As the program that wrote it says.
DigestOfWhat WhatIn(const std::vector<CheckpointFile>& files) {
  for (const CheckpointFile& file : files) {
    const auto& metadata = file.header.metadata;
    for (const DigestOfWhat what : {DigestOfWhat::kTensor, DigestOfWhat::kSelection}) {
      const std::string name = DigestName(what, "_");
      const auto shard_of = metadata.find(kShardOfKey);
      // One of several shards is a summand of what all of them are.
      const bool is_named = files.size() > 1 && shard_of != metadata.end()
                                ? shard_of->second == name
                                : metadata.contains("weightinit." + name);
      if (is_named && (what != DigestOfWhat::kTensor ||
                       (files.size() == 1 && file.header.tensors.size() == 1))) {
        return what;
      }
    }
  }
  return DigestOfWhat::kModel;
}

}  // namespace

absl::StatusOr<Drawn> DigestCheckpoint(const std::vector<CheckpointFile>& files, Session& session) {
  std::int64_t total = 0;
  for (const CheckpointFile& file : files) {
    for (const SafetensorsTensor& tensor : file.header.tensors) total += tensor.end - tensor.begin;
  }
  Drawn drawn;
  drawn.what = WhatIn(files);
  Progress progress(total, session.show_progress());
  CheckpointDigest digest(session, progress);
  for (const CheckpointFile& file : files) {
    if (absl::Status status = digest.Add(file, drawn); !status.ok()) return status;
  }
  return drawn;
}

}  // namespace weightinit::client
