// Checkpoints as they lie on disks: one .safetensors file, a directory of them, or a directory with
// Hugging Face's index. Headers alone are read.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_CHECKPOINT_H_
#define WEIGHTINIT_CLIENT_FORMATS_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/formats/safetensors.h"

namespace weightinit::client {

struct CheckpointFile {
  std::string path;
  SafetensorsHeader header;
};

// A name of such a file, or of an index.
bool IsCheckpointName(const std::string& path);

// One file; or of a directory (or its index) the files that the index names, or without an index
// every .safetensors file, by name. Errors: those of the files; INVALID_ARGUMENT for a tensor that
// stands in two of them, and where index and files differ.
absl::StatusOr<std::vector<CheckpointFile>> OpenCheckpoint(const std::string& path);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_CHECKPOINT_H_
