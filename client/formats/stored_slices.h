// Which part of a tensor a safetensors file holds, where that is not all of it: in the file's
// metadata under one key,
//
//   "weightinit.slices": {"fc1.weight": {"shape": [256, 128], "slice": "0:128,0:128"}, …}
//
// with the full shape, and the slice as ParseSlice reads it. A tensor that is not listed is whole.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_STORED_SLICES_H_
#define WEIGHTINIT_CLIENT_FORMATS_STORED_SLICES_H_

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "client/formats/safetensors.h"
#include "weightinit/selection.h"
#include "weightinit/shape.h"

namespace weightinit::client {

inline constexpr char kSlicesKey[] = "weightinit.slices";

struct StoredSlice {
  Shape shape;        // full
  std::string slice;  // "0:128,:"
};
using StoredSlices = std::map<std::string, StoredSlice>;  // by the tensor's name

// The slice as ParseSlice reads it. `shape` is that of the slice.
std::string SliceText(const Slice& slice, const Shape& shape);

// The value of kSlicesKey.
std::string SlicesText(const StoredSlices& slices);

// What a file's metadata says; empty where it says nothing. Errors: INVALID_ARGUMENT, beginning
// with `file`.
absl::StatusOr<StoredSlices> ParseStoredSlices(const SafetensorsHeader& header,
                                               std::string_view file);

// A stored tensor as a selection of the full one. Errors: INVALID_ARGUMENT for a slice that the
// tensor's shape denies. REQUIRES: tensor.dtype
struct StoredPart {
  Shape full_shape;
  Slice slice;
  BoundSelection bound;  // of a tensor of full_shape
  bool is_whole = true;
};
absl::StatusOr<StoredPart> PartOf(const SafetensorsTensor& tensor, const StoredSlices& slices,
                                  std::string_view file);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_STORED_SLICES_H_
