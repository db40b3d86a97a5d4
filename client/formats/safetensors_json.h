// The JSON of a safetensors header, checked for form and nothing else. For safetensors.cc alone.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_JSON_H_
#define WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_JSON_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "weightinit/shape.h"

namespace weightinit::client {

struct RawSafetensorsTensor {
  std::string name, dtype;
  Shape shape;
  std::int64_t begin = 0, end = 0;  // bytes, from the start of the data
};

struct RawSafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<RawSafetensorsTensor> tensors;  // in the order of the text
};

// One pass without a tree: a header of 100 MB may not cost gigabytes, and a tree would swallow
// repeated keys. Errors: INVALID_ARGUMENT.
absl::StatusOr<RawSafetensorsHeader> ParseSafetensorsJson(std::string_view json);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_SAFETENSORS_JSON_H_
