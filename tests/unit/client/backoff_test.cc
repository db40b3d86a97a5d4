#include "client/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace weightinit::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNone{0}, kForEver{1'000'000'000};
const Backoff::Clock::time_point kStart{};

TEST(BackoffTest, DelaysDoubleUpToFiveSeconds) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Backoff backoff(kForEver, seed);
    for (const int longest : {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000}) {
      const auto delay = backoff.Next(kStart, kNone);
      ASSERT_TRUE(delay.has_value());
      EXPECT_GE(delay->count(), longest / 2);
      EXPECT_LE(delay->count(), longest);
    }
  }
}

TEST(BackoffTest, ReadersComeBackAtDifferentTimes) {
  std::set<milliseconds> delays;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Backoff backoff(kForEver, seed);
    delays.insert(*backoff.Next(kStart, kNone));
  }
  EXPECT_GT(delays.size(), 30u);  // of 51
}

TEST(BackoffTest, GivesUpWhenTroubleLastsLongerThanItsPatience) {
  Backoff backoff(milliseconds(1000), 1);
  EXPECT_TRUE(backoff.Next(kStart, kNone).has_value());
  EXPECT_TRUE(backoff.Next(kStart + milliseconds(500), kNone).has_value());
  EXPECT_FALSE(backoff.Next(kStart + milliseconds(900), kNone).has_value());
}

TEST(BackoffTest, WhatAServerWorkedForIsNoTrouble) {
  Backoff backoff(milliseconds(20'000), 1);
  auto now = kStart;
  int tries = 0;
  // Each counts as 5 s, and little for the delay.
  for (; backoff.Next(now, kNone).has_value(); ++tries) now += std::chrono::minutes(10);
  EXPECT_EQ(tries, 4);
}

TEST(BackoffTest, SuccessStartsAnew) {
  Backoff backoff(milliseconds(1000), 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(backoff.Next(kStart, kNone).has_value());
  backoff.Reset();
  const auto delay = backoff.Next(kStart + milliseconds(100'000), kNone);
  ASSERT_TRUE(delay.has_value());
  EXPECT_LE(delay->count(), 100);
}

TEST(BackoffTest, WaitsAtLeastAsLongAsAskedTo) {
  Backoff backoff(milliseconds(5000), 1);
  EXPECT_EQ(backoff.Next(kStart, milliseconds(3000)), milliseconds(3000));
  EXPECT_EQ(backoff.Next(kStart, milliseconds(6000)), std::nullopt);
}

TEST(BackoffTest, WithoutPatienceThereIsNoSecondTry) {
  Backoff backoff(kNone, 1);
  EXPECT_EQ(backoff.Next(kStart, kNone), std::nullopt);
}

}  // namespace
}  // namespace weightinit::client
