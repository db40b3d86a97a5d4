// Element types.
//
// Thread-safety: everything here is a pure function or a value.
#ifndef WEIGHTINIT_DTYPE_H_
#define WEIGHTINIT_DTYPE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "weightinit/export.h"

namespace weightinit {

// The element type of a tensor. The four integer types hold zeros, ones and exactly representable
// constants alone.
enum class DType : std::uint8_t {
  kFloat32 = 1,
  kBFloat16,
  kFloat16,
  kFloat64,
  kFloat8E4M3FN,  // no infinities; saturates at ±448
  kFloat8E5M2,    // saturates at ±57344
  kInt64,
  kInt32,
  kUInt8,
  kBool,
};

// Every dtype, in the order of the enumeration.
WEIGHTINIT_EXPORT std::span<const DType> AllDTypes();

// Bytes per element: 1, 2, 4 or 8.
WEIGHTINIT_EXPORT std::int64_t SizeBytes(DType dtype);

WEIGHTINIT_EXPORT bool IsFloatingPoint(DType dtype);

// The API's spelling: "FLOAT32", "FLOAT8_E4M3FN", …
WEIGHTINIT_EXPORT std::string_view Name(DType dtype);

// The inverse of Name, in any case; also torch's spellings ("torch.bfloat16", "half", "float") and
// the usual short ones ("bf16", "fp16", "f32"). Errors: INVALID_ARGUMENT at `field`, naming what is
// allowed.
WEIGHTINIT_EXPORT absl::StatusOr<DType> ParseDType(std::string_view text,
                                                   std::string_view field = "dtype");

}  // namespace weightinit

#endif  // WEIGHTINIT_DTYPE_H_
