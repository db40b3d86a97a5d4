#include "client/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weightinit::client {
namespace {

using ::testing::HasSubstr;

void ExpectIs(const std::string& text, const std::string& uri, bool may_be_several,
              bool stays_here) {
  const absl::StatusOr<Target> target = ParseTarget(text);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ(target->uri, uri);
  EXPECT_EQ(target->may_be_several, may_be_several) << text;
  EXPECT_EQ(target->stays_here, stays_here) << text;
}

TEST(TargetTest, OneServer) {
  ExpectIs("weights:50051", "weights:50051", false, false);
  ExpectIs("10.0.0.1:50051", "10.0.0.1:50051", false, false);
  ExpectIs("[fe80::1%eth0]:50051", "[fe80::1%eth0]:50051", false, false);
  ExpectIs("localhost:50051", "localhost:50051", false, true);
  ExpectIs("127.0.0.7:50051", "127.0.0.7:50051", false, true);
  ExpectIs("[::1]:50051", "[::1]:50051", false, true);
  ExpectIs("unix:/run/w.sock", "unix:/run/w.sock", false, true);
  ExpectIs("unix:/run/w,1.sock", "unix:/run/w,1.sock", false, true);
  ExpectIs("unix-abstract:w", "unix-abstract:w", false, true);
}

TEST(TargetTest, Several) {
  ExpectIs("dns:///weights:50051", "dns:///weights:50051", true, false);
  ExpectIs("dns:weights:50051", "dns:weights:50051", true, false);
  ExpectIs("dns://10.0.0.53/weights:50051", "dns://10.0.0.53/weights:50051", true, false);
  ExpectIs("ipv4:10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", true, false);
  ExpectIs("10.0.0.1:1,10.0.0.2:2", "ipv4:10.0.0.1:1,10.0.0.2:2", true, false);
  ExpectIs("[::1]:1,[::1]:2", "ipv6:[::1]:1,[::1]:2", true, true);
  ExpectIs("127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2", true, true);
  ExpectIs("127.0.0.1:1,10.0.0.2:2", "ipv4:127.0.0.1:1,10.0.0.2:2", true, false);
}

TEST(TargetTest, NamesThatLookLocalAreNot) {
  for (const char* text : {"127.evil.example:1", "localhost.example:1", "unix.example:1"}) {
    ExpectIs(text, text, false, false);
  }
}

TEST(TargetTest, WhatIsNone) {
  for (const char* text :
       {"", "weights", ":1", "weights:", "weights:0", "weights:65536", "weights:+1", "weights: 1",
        "http://weights:1", "::1:50051", "[::1]", "[x]:1", "unix:"}) {
    EXPECT_THAT(std::string(ParseTarget(text).status().message()), HasSubstr("is not HOST:PORT"))
        << text;
  }
  for (const char* text : {"a:1,b:2", "127.0.0.1:1,b:2", "127.0.0.1:1,", ",",
                           "127.0.0.1:1,127.0.0.2", "ipv4:", "ipv4:weights:1"}) {
    EXPECT_THAT(std::string(ParseTarget(text).status().message()),
                HasSubstr("is no list of addresses"))
        << text;
  }
  for (const char* text : {"127.0.0.1:1,[::1]:2", "ipv4:[::1]:1"}) {
    EXPECT_THAT(std::string(ParseTarget(text).status().message()), HasSubstr("IPv6 together"))
        << text;
  }
  for (const char* text : {"unix:/x,127.0.0.1:5521", "unix:/x,y,host:1", "unix:/x,[::1]:1,y"}) {
    EXPECT_THAT(std::string(ParseTarget(text).status().message()), HasSubstr("stands alone"))
        << text;
  }
  for (const char* text : {"dns:", "dns://", "dns:///", "dns:///localhost", "dns:localhost",
                           "dns:///a:1,b:2", "dns://10.0.0.53", "dns:///a:https"}) {
    EXPECT_THAT(std::string(ParseTarget(text).status().message()),
                HasSubstr("is not dns:///NAME:PORT"))
        << text;
  }
}

}  // namespace
}  // namespace weightinit::client
