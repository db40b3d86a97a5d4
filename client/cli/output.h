// Where drawn values go: a file, a directory, or stdout.
//
//   auto output = Output::Create(target, items, blocks, metadata_of, …);
//   // For each block that (*output)->done() lacks, in order if (*output)->in_order():
//   status = (*output)->Write(item, byte_offset, bytes);
//   status = (*output)->BlockDone(block, digest);
//   status = (*output)->Finish(metadata_of);
//
// Files and directories appear whole or not at all. What is larger than a block is continued by a
// later run, if it breaks (client/formats/staged_output.h); smaller files are simply drawn anew
// (client/formats/output_file.h). Memory does not grow with what is written.
//
// Thread-safety: Write and BlockDone may be called from several threads at once, unless in_order().
#ifndef WEIGHTINIT_CLIENT_CLI_OUTPUT_H_
#define WEIGHTINIT_CLIENT_CLI_OUTPUT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/blocks.h"
#include "client/cli/output_layout.h"
#include "client/formats/journal.h"

namespace weightinit::client {

struct OutputRequest {
  OutputTarget target;
  std::vector<OutputItem> items = {};  // in the order of the selections
  std::vector<Block> blocks = {};
  // Of all that determines the values: what a broken run's output must have in common with this one
  // to be continued. Empty: it is not to be continued.
  std::string identity = {};
};

class Output {
 public:
  // `metadata_of` gives values of their final lengths, since they stand before the tensors. Errors:
  // usage (raw bytes to a terminal); those of the formats and of the file.
  static absl::StatusOr<std::unique_ptr<Output>> Create(OutputRequest request,
                                                        const MetadataOf& metadata_of);
  virtual ~Output() = default;

  virtual bool in_order() const { return false; }
  // Digests of blocks that earlier runs have left. As many as there are blocks.
  const DoneBlocks& done() const { return done_; }
  // For people, where there is something to say: that the run goes on where one broke off.
  virtual std::string Note() const { return ""; }

  // `byte_offset` is one of the item's slice.
  virtual absl::Status Write(std::size_t item, std::int64_t byte_offset,
                             std::span<const std::byte> bytes) = 0;
  virtual absl::Status BlockDone(std::size_t /*block*/, std::uint64_t /*digest*/) {
    return absl::OkStatus();
  }

  // Writes the final heads and makes the files visible.
  virtual absl::Status Finish(const MetadataOf& metadata_of) = 0;

  // Stops before the end; says what was kept, for people, or nothing.
  virtual std::string Leave() { return ""; }

 protected:
  DoneBlocks done_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_OUTPUT_H_
