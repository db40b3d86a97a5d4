// Who may call, and how much.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "server/access_log.h"
#include "server/gatekeeper.h"
#include "server/listen_address.h"
#include "server/tokens.h"

namespace weightinit::server {
namespace {

using std::chrono::milliseconds;

TEST(Tokens, AreReadLineByLine) {
  const auto tokens = ParseTokens(
      "# comment\n\nalice 0123456789abcdef\r\n bob\t0123456789abcdeg max-streams=3\nalice "
      "another-of-alice's");
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_EQ(tokens->size(), 3u);
  EXPECT_EQ((*tokens)[1].name, "bob");
  EXPECT_EQ((*tokens)[1].max_streams, 3);
  EXPECT_FALSE((*tokens)[2].max_streams.has_value());
}

TEST(Tokens, MistakesNameTheLineAndNoToken) {
  for (const char* bad :
       {"", "#\n", "secret-secret-secret", "a short", "a secret-secret-secret b",
        "a secret-secret-secret max-streams=", "a secret-secret-secret max-streams=-1",
        "a secret-secret-secret max-streams=1x", "a secret-secret-secret max-streams=1 x"}) {
    const auto tokens = ParseTokens(std::string("# first\n") + bad);
    EXPECT_EQ(tokens.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    const std::string text(tokens.status().message());
    EXPECT_EQ(text.find("secret"), std::string::npos) << text;
    const bool is_empty = bad[0] == '\0' || bad[0] == '#';
    EXPECT_NE(text.find(is_empty ? "no token" : "line 2"), std::string::npos) << text;
  }
}

TEST(Tokens, OnlyTheWholeTokenIsFound) {
  const std::string path = ::testing::TempDir() + "access_test_tokens";
  std::ofstream(path) << "alice 0123456789abcdef\n";
  const auto tokens = Tokens::Load(path);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ((*tokens)->Find("Bearer 0123456789abcdef")->name, "alice");
  for (const char* wrong : {"", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef ",
                            "bearer 0123456789abcdef", "0123456789abcdef"}) {
    EXPECT_FALSE((*tokens)->Find(wrong).has_value()) << wrong;
  }
}

TEST(Gatekeeper, StreamsOfAPeerAreCounted) {
  ServerOptions options;
  options.max_streams_per_peer = 2;
  Gatekeeper keeper(options, nullptr);
  const Gatekeeper::Clock::time_point now{};
  {
    const auto one = keeper.Admit({"a", "", {}}, now), two = keeper.Admit({"a", "", {}}, now);
    EXPECT_TRUE(one.ok() && two.ok());
    EXPECT_EQ(keeper.Admit({"a", "", {}}, now).status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(keeper.Admit({"b", "", {}}, now).ok());
    EXPECT_TRUE(keeper.Admit({"a", "", 3}, now).ok()) << "a token's own number goes before";
  }
  EXPECT_TRUE(keeper.Admit({"a", "", {}}, now).ok()) << "given back";
  const auto refused = keeper.Admit({"c", "", 0}, now);
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(),
            "all 0 streams of this caller are taken; try again later, or raise max-streams= of the "
            "token");
}

TEST(Gatekeeper, CallsOfAPeerAreCountedOverTime) {
  ServerOptions options;
  options.max_calls_per_second = 10;
  Gatekeeper keeper(options, nullptr);
  Gatekeeper::Clock::time_point now{};
  const auto admitted = [&](int calls) {
    int count = 0;
    for (int i = 0; i < calls; ++i) count += keeper.Admit({"a", "", {}}, now).ok();
    return count;
  };
  EXPECT_EQ(admitted(30), 10);
  now += milliseconds(500);
  EXPECT_EQ(admitted(30), 5);
  now += milliseconds(60'000);
  EXPECT_EQ(admitted(30), 10) << "no more than a second's";
}

TEST(ListenAddress, LocalIsWhatOnlyThisMachineReaches) {
  for (const char* local : {"unix:/a", "127.0.0.1:0", "127.9.9.9:1", "[::1]:5", "localhost:5"}) {
    EXPECT_TRUE(IsLocal(local)) << local;
  }
  for (const char* wide : {"0.0.0.0:0", "[::]:0", "10.0.0.1:5", "127.0.0.1.example:5", "host:5"}) {
    EXPECT_FALSE(IsLocal(wide)) << wide;
  }
}

TEST(TraceParent, OnlyTheStandardsFormIsTaken) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto parsed = ParseTraceParent(good);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(parsed->parent_id, "b7ad6b7169203331");
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = '"';
    EXPECT_FALSE(ParseTraceParent(bad).has_value()) << bad;
    EXPECT_FALSE(ParseTraceParent(good.substr(0, i)).has_value());
  }
}

}  // namespace
}  // namespace weightinit::server
