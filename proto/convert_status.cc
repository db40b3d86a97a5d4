#include "proto/convert_status.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "weightinit/status.h"
#include "weightinit/v1/error_details.pb.h"

namespace weightinit::proto {
namespace {

// google.rpc's names: any client's stock helpers unpack our messages, which are wire-compatible.
constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";

// A field's path or a fact in one detail; longer ones are cut so that the others find room.
constexpr std::size_t kMaxDetailTextBytes = 256;
// What the list of violations may take; the rest is for the reason and its facts.
constexpr std::size_t kMaxViolationBytes = 1536;

constexpr std::string_view kCut = "…";

// Bytes of the well-formed character at the beginning of `text` (Unicode 15, table 3-7); 0 if there
// is none. REQUIRES: !text.empty()
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool is_overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool is_surrogate = lead == 0xED && byte(1) >= 0xA0;
  const bool is_too_large = lead == 0xF4 && byte(1) >= 0x90;
  return is_overlong || is_surrogate || is_too_large ? 0 : length;
}

// Readers of the details refuse strings that are not UTF-8, and an error must never get lost.
std::string Shortened(std::string_view text, std::size_t max_bytes) {
  std::string valid = ValidUtf8(text);
  if (valid.size() <= max_bytes) return valid;
  return std::string(Utf8Prefix(valid, max_bytes - kCut.size())).append(kCut);
}

// Puts `message` among the details if the whole then still fits.
bool AddDetail(const google::protobuf::Message& message, const char* url, v1::ErrorStatus& status) {
  google::protobuf::Any& detail = *status.add_details();
  detail.set_type_url(url);
  detail.set_value(message.SerializeAsString());
  if (status.ByteSizeLong() <= kMaxStatusDetailsBytes) return true;
  status.mutable_details()->RemoveLast();
  return false;
}

v1::BadRequest BadRequestOf(const std::vector<FieldViolation>& violations) {
  v1::BadRequest message;
  for (const FieldViolation& violation : violations) {
    v1::BadRequest::FieldViolation& entry = *message.add_field_violations();
    entry.set_field(Shortened(violation.field, kMaxDetailTextBytes));
    entry.set_description(Shortened(violation.description, kMaxDetailTextBytes));
    if (message.ByteSizeLong() > kMaxViolationBytes) {
      message.mutable_field_violations()->RemoveLast();
      break;
    }
  }
  return message;
}

std::string_view ImpliedReason(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kNotFound:
      return kTensorUnknown;
    case absl::StatusCode::kFailedPrecondition:
      return kRecipeNotCovered;
    case absl::StatusCode::kResourceExhausted:
      return kLimitExceeded;
    case absl::StatusCode::kUnimplemented:
      return kNotSupported;
    case absl::StatusCode::kInternal:
      return kServerFault;
    default:
      return "";
  }
}

v1::ErrorInfo ErrorInfoOf(const ErrorDetails& details) {
  v1::ErrorInfo message;
  message.set_reason(Shortened(details.reason, kMaxDetailTextBytes));
  message.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : details.metadata) {
    (*message.mutable_metadata())[Shortened(key, kMaxDetailTextBytes)] =
        Shortened(value, kMaxDetailTextBytes);
  }
  return message;
}

v1::RetryInfo RetryInfoOf(std::chrono::milliseconds delay) {
  v1::RetryInfo message;
  message.mutable_retry_delay()->set_seconds(delay.count() / 1000);
  message.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(delay.count() % 1000) *
                                           1'000'000);
  return message;
}

template <typename Message>
bool Read(const std::string& bytes, Message& message) {
  return message.ParseFromString(bytes);
}

// The code and text with the library's own record of which fields were wrong.
absl::Status WithViolations(absl::StatusCode code, const std::string& text,
                            const std::vector<FieldViolation>& violations) {
  absl::Status status(code, text);
  if (violations.empty()) return status;
  FieldErrors("", violations, code)
      .ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
        status.SetPayload(url, payload);
      });
  return status;
}

std::vector<FieldViolation> ViolationsIn(const v1::ErrorStatus& received) {
  std::vector<FieldViolation> violations;
  for (const auto& detail : received.details()) {
    v1::BadRequest message;
    if (detail.type_url() != kBadRequestUrl || !Read(detail.value(), message)) continue;
    for (const auto& entry : message.field_violations()) {
      violations.push_back({entry.field(), entry.description()});
    }
  }
  return violations;
}

ErrorDetails DetailsIn(const v1::ErrorStatus& received) {
  ErrorDetails details;
  for (const auto& detail : received.details()) {
    v1::ErrorInfo info;
    v1::RetryInfo retry;
    if (detail.type_url() == kErrorInfoUrl && Read(detail.value(), info)) {
      details.reason = info.reason();
      details.metadata.insert(info.metadata().begin(), info.metadata().end());
    } else if (detail.type_url() == kRetryInfoUrl && Read(detail.value(), retry)) {
      // Bounded, since a server's word is not to be trusted with an overflow.
      constexpr std::int64_t kMaxSeconds = 86'400;
      const std::int64_t seconds =
          std::clamp<std::int64_t>(retry.retry_delay().seconds(), 0, kMaxSeconds);
      details.retry_delay = std::chrono::milliseconds(
          seconds * 1000 + std::clamp(retry.retry_delay().nanos(), 0, 999'999'999) / 1'000'000);
    }
  }
  return details;
}

}  // namespace

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = CharacterBytes(text);
    if (length == 0) {
      valid += '?';
    } else {
      valid += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return valid;
}

std::string_view Utf8Prefix(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

absl::Status WithDetails(absl::Status status, const ErrorDetails& details) {
  if (status.ok()) return status;
  status.ErasePayload(kErrorInfoUrl);
  status.ErasePayload(kRetryInfoUrl);
  if (!details.reason.empty() || !details.metadata.empty()) {
    status.SetPayload(kErrorInfoUrl, absl::Cord(ErrorInfoOf(details).SerializeAsString()));
  }
  if (details.retry_delay) {
    status.SetPayload(kRetryInfoUrl,
                      absl::Cord(RetryInfoOf(*details.retry_delay).SerializeAsString()));
  }
  return status;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  v1::ErrorStatus all;
  for (const char* url : {kErrorInfoUrl, kRetryInfoUrl}) {
    const auto payload = status.GetPayload(url);
    if (!payload.has_value()) continue;
    all.add_details()->set_type_url(url);
    all.mutable_details(all.details_size() - 1)->set_value(static_cast<std::string>(*payload));
  }
  return DetailsIn(all);
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string text = Shortened(
      std::string_view(status.message().data(), status.message().size()), kMaxStatusTextBytes);

  ErrorDetails details = DetailsOf(status);
  if (details.reason.empty()) details.reason = ImpliedReason(status.code());
  const std::vector<FieldViolation> violations = FieldViolations(status);

  v1::ErrorStatus message;
  message.set_code(static_cast<std::int32_t>(ToGrpcCode(status.code())));
  message.set_message(text);
  if (!details.reason.empty() && !AddDetail(ErrorInfoOf(details), kErrorInfoUrl,
                                            message)) {  // too many facts: the reason alone
    AddDetail(ErrorInfoOf({.reason = details.reason, .metadata = {}, .retry_delay = {}}),
              kErrorInfoUrl, message);
  }
  if (details.retry_delay) AddDetail(RetryInfoOf(*details.retry_delay), kRetryInfoUrl, message);
  if (!violations.empty()) AddDetail(BadRequestOf(violations), kBadRequestUrl, message);
  if (message.details().empty()) return grpc::Status(ToGrpcCode(status.code()), text);
  return grpc::Status(ToGrpcCode(status.code()), text, message.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  v1::ErrorStatus received;
  if (!Read(status.error_details(), received)) received.Clear();
  return WithDetails(WithViolations(FromGrpcCode(status.error_code()), status.error_message(),
                                    ViolationsIn(received)),
                     DetailsIn(received));
}

grpc::StatusCode ToGrpcCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return grpc::StatusCode::OK;
    case absl::StatusCode::kCancelled:
      return grpc::StatusCode::CANCELLED;
    case absl::StatusCode::kUnknown:
      return grpc::StatusCode::UNKNOWN;
    case absl::StatusCode::kInvalidArgument:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case absl::StatusCode::kDeadlineExceeded:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case absl::StatusCode::kNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case absl::StatusCode::kAlreadyExists:
      return grpc::StatusCode::ALREADY_EXISTS;
    case absl::StatusCode::kPermissionDenied:
      return grpc::StatusCode::PERMISSION_DENIED;
    case absl::StatusCode::kResourceExhausted:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case absl::StatusCode::kFailedPrecondition:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case absl::StatusCode::kAborted:
      return grpc::StatusCode::ABORTED;
    case absl::StatusCode::kOutOfRange:
      return grpc::StatusCode::OUT_OF_RANGE;
    case absl::StatusCode::kUnimplemented:
      return grpc::StatusCode::UNIMPLEMENTED;
    case absl::StatusCode::kInternal:
      return grpc::StatusCode::INTERNAL;
    case absl::StatusCode::kUnavailable:
      return grpc::StatusCode::UNAVAILABLE;
    case absl::StatusCode::kDataLoss:
      return grpc::StatusCode::DATA_LOSS;
    case absl::StatusCode::kUnauthenticated:
      return grpc::StatusCode::UNAUTHENTICATED;
    default:  // Abseil reserves the right to add codes, and names one that says so
      return grpc::StatusCode::UNKNOWN;
  }
}

absl::StatusCode FromGrpcCode(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::OK:
      return absl::StatusCode::kOk;
    case grpc::StatusCode::CANCELLED:
      return absl::StatusCode::kCancelled;
    case grpc::StatusCode::UNKNOWN:
      return absl::StatusCode::kUnknown;
    case grpc::StatusCode::INVALID_ARGUMENT:
      return absl::StatusCode::kInvalidArgument;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::StatusCode::kDeadlineExceeded;
    case grpc::StatusCode::NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case grpc::StatusCode::ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case grpc::StatusCode::PERMISSION_DENIED:
      return absl::StatusCode::kPermissionDenied;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return absl::StatusCode::kResourceExhausted;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return absl::StatusCode::kFailedPrecondition;
    case grpc::StatusCode::ABORTED:
      return absl::StatusCode::kAborted;
    case grpc::StatusCode::OUT_OF_RANGE:
      return absl::StatusCode::kOutOfRange;
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::StatusCode::kUnimplemented;
    case grpc::StatusCode::INTERNAL:
      return absl::StatusCode::kInternal;
    case grpc::StatusCode::UNAVAILABLE:
      return absl::StatusCode::kUnavailable;
    case grpc::StatusCode::DATA_LOSS:
      return absl::StatusCode::kDataLoss;
    case grpc::StatusCode::UNAUTHENTICATED:
      return absl::StatusCode::kUnauthenticated;
    case grpc::StatusCode::DO_NOT_USE:
      break;
  }
  return absl::StatusCode::kUnknown;
}

}  // namespace weightinit::proto
