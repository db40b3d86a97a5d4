#include "client/call.h"

#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

TEST(CallTest, WhatGrpcSaysOfLargeRequestsNamesTheFlag) {
  const Call call(std::nullopt, {});
  const auto result = [&](const char* text) {
    return call.Result({grpc::StatusCode::RESOURCE_EXHAUSTED, text}, "weights:1");
  };
  const absl::Status status = result("Received message larger than max (14573 vs. 8192)");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(),
            "weights:1: the request has 14573 bytes; the server reads up to 8192, twice its "
            "--max-request-bytes");
  for (const char* text : {"busy", "Received message larger than max", "1 vs. 2) (3 vs. 4)"}) {
    EXPECT_EQ(result(text).message(), text);
  }
}

}  // namespace
}  // namespace weightinit::client
