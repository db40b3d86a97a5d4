#include "server/listen_address.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace weightinit::server {
namespace {

TEST(ListenAddress, KnowsGoodFromBad) {
  for (const char* good : {"127.0.0.1:0", "0.0.0.0:65535", "localhost:50051", "[::1]:5", "unix:/a",
                           "unix:a", "unix:///run/a"}) {
    EXPECT_TRUE(CheckListenAddress(good).ok()) << good;
  }
  for (const char* bad : {"", ":5", "host", "host:", "host:x", "host:65536", "host:123456", "::1:5",
                          "unix:", "host:-1"}) {
    EXPECT_FALSE(CheckListenAddress(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckListenAddress("unix:/" + std::string(107, 'x')).ok());
  EXPECT_TRUE(CheckListenAddress("unix:/" + std::string(106, 'x')).ok());
}

TEST(ListenAddress, TakesThePortThatItGot) {
  EXPECT_EQ(WithPort("127.0.0.1:0", 5), "127.0.0.1:5");
  EXPECT_EQ(WithPort("[::1]:0", 5), "[::1]:5");
  EXPECT_EQ(WithPort("unix:/a:0", 1), "unix:/a:0");
}

TEST(ListenAddress, FindsThePathOfASocket) {
  EXPECT_EQ(UnixSocketPath("unix:/a"), "/a");
  EXPECT_EQ(UnixSocketPath("unix:///a"), "/a");
  EXPECT_EQ(UnixSocketPath("unix:a"), "a");
  EXPECT_EQ(UnixSocketPath("host:1"), std::nullopt);
}

TEST(ListenAddress, AFileThatIsNoSocketIsInTheWay) {
  const std::string path = ::testing::TempDir() + "listen_address_test_" + std::to_string(getpid());
  EXPECT_TRUE(CheckUnixSocketIsFree(path).ok());
  std::ofstream(path) << "text";
  const absl::Status status = CheckUnixSocketIsFree(path);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("no socket"), absl::string_view::npos) << status;
  unlink(path.c_str());
}

TEST(ListenAddress, SaysWhyNot) {
  EXPECT_EQ(WhyNotListening("127.0.0.1:0"), "");
  EXPECT_NE(WhyNotListening("192.0.2.1:0"), "");  // TEST-NET-1: no one has it
  EXPECT_NE(WhyNotListening("unix:/no/such/directory/a"), "");
}

}  // namespace
}  // namespace weightinit::server
