#include "proto/convert_status.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "weightinit/status.h"
#include "weightinit/v1/error_details.pb.h"

namespace weightinit::proto {
namespace {

using absl::StatusCode;

struct Pair {
  StatusCode absl_code;
  grpc::StatusCode grpc_code;
};

// Every code of gRPC, with its number (doc/statuscodes.md): both sides use the same ones.
constexpr Pair kCodes[] = {
    {StatusCode::kOk, grpc::StatusCode::OK},
    {StatusCode::kCancelled, grpc::StatusCode::CANCELLED},
    {StatusCode::kUnknown, grpc::StatusCode::UNKNOWN},
    {StatusCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    {StatusCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
    {StatusCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    {StatusCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    {StatusCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    {StatusCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    {StatusCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
    {StatusCode::kAborted, grpc::StatusCode::ABORTED},
    {StatusCode::kOutOfRange, grpc::StatusCode::OUT_OF_RANGE},
    {StatusCode::kUnimplemented, grpc::StatusCode::UNIMPLEMENTED},
    {StatusCode::kInternal, grpc::StatusCode::INTERNAL},
    {StatusCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    {StatusCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
    {StatusCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
};

TEST(StatusCodes, MapBothWaysOneByOne) {
  for (int i = 0; i < 17; ++i) {
    EXPECT_EQ(static_cast<int>(kCodes[i].grpc_code), i);
    EXPECT_EQ(ToGrpcCode(kCodes[i].absl_code), kCodes[i].grpc_code);
    EXPECT_EQ(FromGrpcCode(kCodes[i].grpc_code), kCodes[i].absl_code);
  }
}

TEST(StatusCodes, UnknownNumbersBecomeUnknown) {
  EXPECT_EQ(ToGrpcCode(static_cast<StatusCode>(42)), grpc::StatusCode::UNKNOWN);
  EXPECT_EQ(FromGrpcCode(grpc::StatusCode::DO_NOT_USE), StatusCode::kUnknown);
}

TEST(Status, ComesBackAsItWent) {
  for (const Pair& pair : kCodes) {
    const absl::Status status(pair.absl_code, pair.absl_code == StatusCode::kOk ? "" : "why");
    const absl::Status back = FromGrpcStatus(ToGrpcStatus(status));
    EXPECT_EQ(back.code(), status.code());
    EXPECT_EQ(back.message(), status.message());
  }
}

TEST(Status, WhatBreaksOnTheWayHasNoReason) {
  EXPECT_EQ(DetailsOf(FromGrpcStatus({grpc::StatusCode::INTERNAL, "RST_STREAM"})).reason, "");
}

TEST(Status, CarriesFieldViolations) {
  const absl::Status status =
      FieldErrors("two things are wrong",
                  {{"tensors[0].shape[1]", "-1 is negative"},
                   {"rules[2].init.sparse.sparsity", "1.5 is outside [0, 1]"}},
                  StatusCode::kInvalidArgument);
  const std::vector<FieldViolation> back = FieldViolations(FromGrpcStatus(ToGrpcStatus(status)));
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[1].field, "rules[2].init.sparse.sparsity");
  EXPECT_EQ(back[1].description, "1.5 is outside [0, 1]");
}

TEST(Status, DetailsAreGoogleRpcs) {
  const grpc::Status sent = ToGrpcStatus(
      WithDetails(FieldError("fingerprint", "unknown", StatusCode::kFailedPrecondition),
                  {.reason = std::string(kRecipeUnknown),
                   .metadata = {{"key", "value"}},
                   .retry_delay = std::chrono::milliseconds(1500)}));
  v1::ErrorStatus status;
  ASSERT_TRUE(status.ParseFromString(sent.error_details()));
  EXPECT_EQ(status.code(), static_cast<int>(sent.error_code()));
  EXPECT_EQ(status.message(), sent.error_message());
  std::set<std::string> urls;
  for (const auto& detail : status.details()) urls.insert(detail.type_url());
  EXPECT_EQ(urls, (std::set<std::string>{"type.googleapis.com/google.rpc.BadRequest",
                                         "type.googleapis.com/google.rpc.ErrorInfo",
                                         "type.googleapis.com/google.rpc.RetryInfo"}));
  v1::RetryInfo retry;
  ASSERT_TRUE(retry.ParseFromString(status.details(1).value()));
  EXPECT_EQ(retry.retry_delay().seconds(), 1);
  EXPECT_EQ(retry.retry_delay().nanos(), 500'000'000);

  const ErrorDetails back = DetailsOf(FromGrpcStatus(sent));
  EXPECT_EQ(back.reason, "RECIPE_UNKNOWN");
  EXPECT_EQ(back.metadata.at("key"), "value");
  EXPECT_EQ(back.retry_delay, std::chrono::milliseconds(1500));
}

TEST(Status, CodesImplyReasons) {
  const auto reason = [](const absl::Status& status) {
    return DetailsOf(FromGrpcStatus(ToGrpcStatus(status))).reason;
  };
  EXPECT_EQ(reason(absl::NotFoundError("x")), kTensorUnknown);
  EXPECT_EQ(reason(absl::FailedPreconditionError("x")), kRecipeNotCovered);
  EXPECT_EQ(reason(absl::ResourceExhaustedError("x")), kLimitExceeded);
  EXPECT_EQ(reason(absl::UnimplementedError("x")), kNotSupported);
  EXPECT_EQ(reason(absl::InternalError("x")), kServerFault);
  EXPECT_EQ(reason(absl::UnknownError("x")), "");
}

TEST(Status, StaysWithinWhatArrives) {
  const std::string long_name(5000, 'x');
  std::vector<FieldViolation> violations;
  std::map<std::string, std::string> metadata;
  for (int i = 0; i < 100; ++i) {
    violations.push_back({"tensors[" + std::to_string(i) + "]." + long_name, long_name});
    metadata[std::to_string(i) + long_name] = long_name;
  }
  const absl::Status status =
      WithDetails(FieldErrors(long_name, violations, StatusCode::kInvalidArgument),
                  {.reason = "R", .metadata = metadata, .retry_delay = {}});
  const grpc::Status sent = ToGrpcStatus(status);
  EXPECT_LT(sent.error_message().size(), 1024u);
  EXPECT_LT(sent.error_details().size(), 3072u);
  const absl::Status back = FromGrpcStatus(sent);
  EXPECT_EQ(DetailsOf(back).reason, "R");
  EXPECT_GT(FieldViolations(back).size(), 0u);
}

TEST(Status, TextIsCutBetweenCharacters) {
  for (std::size_t padding = 0; padding < 4; ++padding) {
    std::string text(padding, 'a');
    for (int i = 0; i < 600; ++i) text += "€";  // 3 bytes
    const std::string sent = ToGrpcStatus(absl::InternalError(text)).error_message();
    EXPECT_LE(sent.size(), kMaxStatusTextBytes);
    EXPECT_GT(sent.size(), kMaxStatusTextBytes - 8);
    EXPECT_EQ(sent.substr(sent.size() - 3), "…");
    EXPECT_EQ((sent.size() - padding) % 3, 0u);  // whole characters alone
  }
}

TEST(Status, TextThatIsNotUtf8Arrives) {
  const absl::Status status = FieldError("tensors[0].name", "\xff\xc0\x80 \xed\xa0\x80 é");
  const grpc::Status sent = ToGrpcStatus(status);
  EXPECT_EQ(sent.error_message(), "tensors[0].name: ??? ??? é");
  v1::ErrorStatus message;
  EXPECT_TRUE(message.ParseFromString(sent.error_details()));
}

TEST(Status, HostileDetailsDoNotHurt) {
  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::INTERNAL, "x", "\xff\xff\xff")).message(),
            "x");
  v1::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(std::numeric_limits<std::int64_t>::max());
  retry.mutable_retry_delay()->set_nanos(-5);
  v1::ErrorStatus status;
  status.add_details()->set_type_url("type.googleapis.com/google.rpc.RetryInfo");
  status.mutable_details(0)->set_value(retry.SerializeAsString());
  const absl::Status back =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "x", status.SerializeAsString()));
  EXPECT_EQ(DetailsOf(back).retry_delay, std::chrono::hours(24));
}

TEST(Utf8Prefix, NeverCutsACharacter) {
  EXPECT_EQ(Utf8Prefix("aé", 3), "aé");
  EXPECT_EQ(Utf8Prefix("aé", 2), "a");
  EXPECT_EQ(Utf8Prefix("aé", 1), "a");
  EXPECT_EQ(Utf8Prefix("€", 2), "");
  EXPECT_EQ(Utf8Prefix("", 5), "");
}

}  // namespace
}  // namespace weightinit::proto
