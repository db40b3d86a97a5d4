// Where drawn values go: a file by its extension, or stdout.
//
//   auto output = Output::Create("w.npy", items, metadata, progress);
//   status = backend.Read(model, selections, {}, (*output)->receiver(), stop);
//   status = (*output)->Finish(metadata);
//
// Files appear whole or not at all (client/formats/output_file.h). Memory does not grow with what
// is written.
#ifndef WEIGHTINIT_CLIENT_CLI_OUTPUT_H_
#define WEIGHTINIT_CLIENT_CLI_OUTPUT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/cli/progress.h"
#include "client/formats/output_file.h"
#include "weightinit/dtype.h"
#include "weightinit/shape.h"

namespace weightinit::client {

enum class OutputKind : std::uint8_t { kNpy, kSafetensors, kBin, kStdout };

// By extension; "-" is stdout. Errors: usage, naming what exists.
absl::StatusOr<OutputKind> OutputKindOf(const std::string& path);

// One selection's values.
struct OutputItem {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::int64_t num_bytes = 0;
};

class Output {
 public:
  // `items` in the order of the selections; `metadata` for formats that have room for it, with
  // values of their final lengths, since it stands before the values. Errors: usage (several
  // tensors in an .npy, raw bytes to a terminal); those of the file.
  static absl::StatusOr<std::unique_ptr<Output>> Create(
      const std::string& path, std::vector<OutputItem> items,
      const std::map<std::string, std::string>& metadata, Progress& progress);
  virtual ~Output() = default;

  virtual Receiver& receiver() = 0;

  // Writes the final metadata and makes the file visible.
  virtual absl::Status Finish(const std::map<std::string, std::string>& metadata) = 0;

  // Of each selection, once it is done.
  const std::vector<std::uint64_t>& digests() const { return digests_; }

 protected:
  std::vector<std::uint64_t> digests_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_OUTPUT_H_
