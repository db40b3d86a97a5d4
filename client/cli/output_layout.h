// Which bytes of which file hold which tensor, for every format.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_CLI_OUTPUT_LAYOUT_H_
#define WEIGHTINIT_CLIENT_CLI_OUTPUT_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/formats/shards.h"
#include "weightinit/dtype.h"
#include "weightinit/shape.h"

namespace weightinit::client {

enum class OutputKind : std::uint8_t {
  kStdout,        // raw, in order
  kBin,           // likewise
  kNpy,           // one tensor
  kSafetensors,   // one file
  kShards,        // a directory of safetensors files, as Hugging Face has it
  kNpyDirectory,  // a directory of .npy files, and an index
};

// Where values go. `path` is empty for stdout.
struct OutputTarget {
  OutputKind kind = OutputKind::kStdout;
  std::string path;
  std::int64_t max_shard_bytes = kDefaultMaxShardBytes;

  bool is_directory() const {
    return kind == OutputKind::kShards || kind == OutputKind::kNpyDirectory;
  }
};

// "-o PATH --format FORMAT --max-shard-size SIZE", each empty where it was not given: by the
// extension a file; a directory where the path ends with a slash, is one, or one of the other
// flags was given. Errors (usage) name what exists.
absl::StatusOr<OutputTarget> ParseOutputTarget(const std::string& path, const std::string& format,
                                               const std::string& max_shard_size);

// One selection's values.
struct OutputItem {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::int64_t num_bytes = 0;
};

struct LaidOutFile {
  std::string name;            // in a directory
  std::string head;            // stands before the values; of an index all of it
  std::int64_t num_bytes = 0;  // of head and values
};

struct OutputLayout {
  struct Place {
    std::size_t file = 0;
    std::int64_t offset = 0;
  };
  std::vector<LaidOutFile> files;
  std::vector<Place> places;  // of each item
};

using Metadata = std::map<std::string, std::string>;
// What a file says of the items that it holds; `is_all`: of everything that is written.
using MetadataOf = std::function<Metadata(std::span<const std::size_t> items, bool is_all)>;

// Laid out again with other metadata of the same lengths, only heads differ. Errors: those of the
// formats (a name that is repeated or not UTF-8); usage for several tensors in an .npy.
absl::StatusOr<OutputLayout> LayOut(const OutputTarget& target, std::span<const OutputItem> items,
                                    const MetadataOf& metadata_of);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_OUTPUT_LAYOUT_H_
