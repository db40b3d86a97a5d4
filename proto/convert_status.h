// Errors of the library as gRPC statuses with google.rpc details, and back.
//
// A status travels as code, text, and the details of weightinit/v1/error_details.proto: BadRequest
// from weightinit::FieldViolations, ErrorInfo with a constant reason, RetryInfo where trying again
// makes sense. What comes back has the same code, text, violations and details.
//
// Guaranteed: text under 1 KiB, details under 3 KiB, cut on a character's boundary; larger trailers
// do not arrive. Thread-safety: everything here is a pure function.
#ifndef WEIGHTINIT_PROTO_CONVERT_STATUS_H_
#define WEIGHTINIT_PROTO_CONVERT_STATUS_H_

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace weightinit::proto {

// The words of ErrorInfo.reason. Programs compare them; they never change.
inline constexpr std::string_view kRecipeUnknown = "RECIPE_UNKNOWN";
inline constexpr std::string_view kTensorUnknown = "TENSOR_UNKNOWN";
inline constexpr std::string_view kRecipeNotCovered = "RECIPE_NOT_COVERED";
inline constexpr std::string_view kLimitExceeded = "LIMIT_EXCEEDED";
inline constexpr std::string_view kServerBusy = "SERVER_BUSY";
inline constexpr std::string_view kNotSupported = "NOT_SUPPORTED";
inline constexpr std::string_view kDraining = "DRAINING";
inline constexpr std::string_view kServerFault = "SERVER_FAULT";

inline constexpr std::string_view kErrorDomain = "weightinit.v1";
inline constexpr std::size_t kMaxStatusTextBytes = 1023;
inline constexpr std::size_t kMaxStatusDetailsBytes = 3071;

struct ErrorDetails {
  std::string reason;  // empty: none
  std::map<std::string, std::string> metadata;
  std::optional<std::chrono::milliseconds> retry_delay;
};

// `status` with these details attached. They replace the ones it had. OK stays OK.
absl::Status WithDetails(absl::Status status, const ErrorDetails& details);

// What WithDetails attached or FromGrpcStatus received.
ErrorDetails DetailsOf(const absl::Status& status);

// A status without a reason of its own gets the one that its code implies: TENSOR_UNKNOWN
// (NOT_FOUND), RECIPE_NOT_COVERED (FAILED_PRECONDITION), LIMIT_EXCEEDED (RESOURCE_EXHAUSTED),
// NOT_SUPPORTED (UNIMPLEMENTED), SERVER_FAULT (INTERNAL).
grpc::Status ToGrpcStatus(const absl::Status& status);

// Details that cannot be read are left out; the code and text always arrive.
absl::Status FromGrpcStatus(const grpc::Status& status);

grpc::StatusCode ToGrpcCode(absl::StatusCode code);
absl::StatusCode FromGrpcCode(grpc::StatusCode code);

// `text` with every byte that is not part of well-formed UTF-8 replaced by '?'.
std::string ValidUtf8(std::string_view text);

// The longest prefix of at most `max_bytes` bytes that does not cut a UTF-8 character.
std::string_view Utf8Prefix(std::string_view text, std::size_t max_bytes);

}  // namespace weightinit::proto

#endif  // WEIGHTINIT_PROTO_CONVERT_STATUS_H_
