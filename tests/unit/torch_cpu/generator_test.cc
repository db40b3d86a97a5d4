// MT19937 against the standard library's, and torch's state.
#include "lib/source/torch_cpu/generator.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "lib/source/torch_cpu/fill.h"

namespace weightinit::torch_cpu {
namespace {

TEST(Mt19937, EqualsTheStandardLibrarys) {
  for (const std::uint32_t seed : {0u, 1u, 5489u, 0xFFFFFFFFu}) {
    Mt19937 words(seed);
    std::mt19937 expected(seed);
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(words.Next(), expected()) << seed << " " << i;
  }
}

TEST(Mt19937, DrawsAndSkipsAnyCountFromAnywhere) {
  std::mt19937 choose(1);
  Mt19937 words(42);
  std::mt19937 expected(42);
  for (int turn = 0; turn < 300; ++turn) {
    const auto count = static_cast<std::size_t>(turn % 3 == 0   ? choose() % 5
                                                : turn % 3 == 1 ? 620 + choose() % 10
                                                                : choose() % 3000);
    if (turn % 2 == 0) {
      words.Skip(count);
      expected.discard(count);
    } else {
      std::vector<std::uint32_t> drawn(count);
      words.Draw(drawn);
      for (const std::uint32_t word : drawn) ASSERT_EQ(word, expected());
    }
  }
  EXPECT_EQ(words.Next(), expected());
}

// 10000th output of the default seed: C++11, 26.5.5.
TEST(Mt19937, TenThousandthWord) {
  Mt19937 words(5489);
  words.Skip(9999);
  EXPECT_EQ(words.Next(), 4123659995u);
}

TEST(Generator, OnlyTheLowHalfOfTheSeedMatters) {
  EXPECT_EQ(Seeded(7).words, Seeded((std::uint64_t{9} << 32) + 7).words);
  EXPECT_FALSE(Seeded(7).words == Seeded(8).words);
}

TEST(Generator, HighHalfFirst) {
  Generator a = Seeded(1), b = Seeded(1);
  const std::uint64_t high = b.words.Next(), low = b.words.Next();
  EXPECT_EQ(Next64(a.words), high << 32 | low);
}

TEST(State, RoundTrips) {
  for (const int drawn : {0, 1, 623, 624, 625, 3000}) {
    for (const bool kept : {false, true}) {
      Generator generator = Seeded(0x123456789ABCDEF0);
      generator.words.Skip(static_cast<std::uint64_t>(drawn));
      if (kept) generator.cached_normal = -0.75;
      const auto state = SerializeState(StateOf(generator));
      auto parsed = ParseState(state, "state");
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_EQ(Generator(*parsed), generator) << drawn;
      EXPECT_EQ(SerializeState(*parsed), state) << drawn;
    }
  }
}

// Offsets: docs/torch-cpu.md.
TEST(State, OfASeedThatNothingWasDrawnFrom) {
  const auto state = SerializeState(SeededState(3));
  std::int32_t left;
  std::uint64_t next, word;
  std::memcpy(&left, state.data() + 8, sizeof left);
  std::memcpy(&next, state.data() + 16, sizeof next);
  std::memcpy(&word, state.data() + 24, sizeof word);
  EXPECT_EQ(left, 1);
  EXPECT_EQ(next, 0u);
  EXPECT_EQ(word, 3u);
}

TEST(State, RefusesWhatTorchNeverWrites) {
  Generator generator = Seeded(1);
  generator.words.Skip(10);
  const auto good = SerializeState(StateOf(generator));
  const auto refused = [&](std::size_t offset, auto value, std::string_view expected) {
    auto state = good;
    std::memcpy(state.data() + offset, &value, sizeof value);
    const auto parsed = ParseState(state, "generator.start_state");
    ASSERT_FALSE(parsed.ok()) << expected;
    const std::string message(parsed.status().message());
    EXPECT_NE(message.find("generator.start_state"), std::string::npos) << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  };
  EXPECT_FALSE(ParseState(std::span(good).first(5055), "state").ok());
  EXPECT_FALSE(ParseState({}, "state").ok());
  refused(8, std::int32_t{0}, "left 0");
  refused(8, std::int32_t{625}, "left 625");
  refused(8, std::int32_t{-5}, "left -5");
  refused(12, std::int32_t{0}, "not a state");
  refused(16, std::uint64_t{11}, "next 11");
  refused(16, std::uint64_t{1} << 63, "next");
  refused(24 + 8 * 623, std::uint64_t{1} << 32, "word 623");
  auto state = good;
  const std::int32_t valid = 1;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::memcpy(state.data() + 5040, &valid, sizeof valid);
  std::memcpy(state.data() + 5024, &nan, sizeof nan);
  EXPECT_FALSE(ParseState(state, "state").ok());
}

}  // namespace
}  // namespace weightinit::torch_cpu
