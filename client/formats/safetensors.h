// safetensors files: a strict reader of headers, and a plan of the bytes to write.
//
//   8 bytes  length N of the header, little-endian
//   N bytes  JSON: {"__metadata__": {…}, "name": {"dtype": "F32", "shape": [2, 3],
//            "data_offsets": [0, 24]}, …}, padded with spaces
//   the rest the tensors' bytes, without a hole
//
// The reader refuses what the reference reader (huggingface/safetensors, tensor.rs) refuses: a
// header above 100 MB or past the end of the file, tensors that overlap or leave holes, sizes that
// are not the shape's, a file that is too short or too long, repeated keys. It also refuses keys it
// does not know. It reads headers alone, never values.
//
// The writer's order is the reference writer's: wider dtypes first, then by name, so that every
// tensor lies aligned to its dtype.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_H_
#define WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "weightinit/dtype.h"
#include "weightinit/recipe.h"
#include "weightinit/shape.h"

namespace weightinit::client {

// The format's own limit.
inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

struct SafetensorsTensor {
  std::string name;
  std::string dtype_name;      // the format's: "BF16"
  std::optional<DType> dtype;  // none: a type that this project does not draw
  Shape shape;
  std::int64_t begin = 0, end = 0;  // bytes, from the start of the file
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsTensor> tensors;  // in the order of their bytes
};

// Reads the header of a file of file_bytes bytes from its JSON.
// Errors: INVALID_ARGUMENT, beginning with `file`.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json,
                                                         std::int64_t file_bytes,
                                                         std::string_view file);
// The same from the file itself.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const std::string& path);

// The header as a manifest: a recipe without rules. Errors: INVALID_ARGUMENT for a tensor of a type
// that this project does not draw.
absl::StatusOr<Recipe> ManifestOf(const SafetensorsHeader& header, std::string_view file);

// "F32"
std::string_view SafetensorsName(DType dtype);

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
};

// Where everything goes in a file that is yet to be written.
struct SafetensorsLayout {
  std::string head;                   // length and JSON: bytes [0, head.size()) of the file
  std::vector<std::int64_t> offsets;  // of each entry's bytes in the file, in the order given
  std::int64_t file_bytes = 0;
};

// `metadata` may change afterwards as long as no value changes its length in JSON: lay out again
// and write the head last. Errors: INVALID_ARGUMENT for a name that is repeated, not UTF-8 or
// "__metadata__", and for a header above the format's limit.
absl::StatusOr<SafetensorsLayout> LayOutSafetensors(
    std::span<const SafetensorsEntry> entries, const std::map<std::string, std::string>& metadata);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_H_
