// What an older reader must refuse.
#ifndef WEIGHTINIT_PROTO_REJECT_UNKNOWN_H_
#define WEIGHTINIT_PROTO_REJECT_UNKNOWN_H_

#include <string_view>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace weightinit::proto {

// OK if `message`, and every message in it at any depth, holds only fields and enum values that
// this build knows. A newer client's field could change what is drawn; to answer without it would
// be to send wrong bits.
//
// Errors: INVALID_ARGUMENT with the path of every offender below `path` ("tensors[0].init: unknown
// field number 99", "tensors[0].dtype: unknown value 77"); the first 20 and their number. `path` is
// empty for a request itself. Paths in a recipe begin at the recipe, as the library's do.
// Thread-safety: a pure function.
absl::Status RejectUnknown(const google::protobuf::Message& message, std::string_view path = "");

}  // namespace weightinit::proto

#endif  // WEIGHTINIT_PROTO_REJECT_UNKNOWN_H_
