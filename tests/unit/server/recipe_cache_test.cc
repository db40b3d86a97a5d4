#include "server/recipe_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "proto/convert_status.h"
#include "tests/unit/server/testing.h"

namespace weightinit::server {
namespace {

std::shared_ptr<const ModelPlan> Numbered(int i) {
  return PlanOf({Tensor("tensor" + std::to_string(i), {i + 1})});
}

TEST(RecipeCache, FindsWhatItSaw) {
  RecipeCache cache(1 << 20);
  const auto plan = Numbered(1);
  cache.Insert(plan);
  EXPECT_EQ(*cache.Find(plan->fingerprint), plan);
  EXPECT_EQ(cache.bytes(), EstimatedBytes(*plan));
}

TEST(RecipeCache, UnknownAsksForTheRecipe) {
  RecipeCache cache(1 << 20);
  const absl::Status status = cache.Find(Fingerprint{1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(proto::DetailsOf(status).reason, "RECIPE_UNKNOWN");
}

TEST(RecipeCache, DropsTheOneUsedLongestAgo) {
  const auto a = Numbered(1), b = Numbered(2), c = Numbered(3);
  RecipeCache cache(EstimatedBytes(*a) + EstimatedBytes(*b) + EstimatedBytes(*c) - 1);
  cache.Insert(a);
  cache.Insert(b);
  EXPECT_TRUE(cache.Find(a->fingerprint).ok());  // b is now the older one
  cache.Insert(c);
  EXPECT_TRUE(cache.Find(a->fingerprint).ok());
  EXPECT_FALSE(cache.Find(b->fingerprint).ok());
  EXPECT_TRUE(cache.Find(c->fingerprint).ok());
}

TEST(RecipeCache, KeepsThePlanSeenLastUnderOneFingerprint) {
  RecipeCache cache(1 << 20);
  const auto first = Numbered(1), second = Numbered(1);
  ASSERT_EQ(first->fingerprint, second->fingerprint);
  cache.Insert(first);
  cache.Insert(second);
  EXPECT_EQ(*cache.Find(first->fingerprint), second);
  EXPECT_EQ(cache.bytes(), EstimatedBytes(*second));
}

TEST(RecipeCache, NeverHoldsMoreThanItMay) {
  RecipeCache none(0);
  none.Insert(Numbered(1));
  EXPECT_EQ(none.bytes(), 0);
  constexpr std::int64_t kMaxBytes = 5000;
  RecipeCache small(kMaxBytes);
  for (int i = 0; i < 100; ++i) {
    small.Insert(Numbered(i));
    EXPECT_LE(small.bytes(), kMaxBytes);
  }
}

TEST(RecipeCache, ServesSeveralThreads) {
  RecipeCache cache(8000);
  std::vector<std::shared_ptr<const ModelPlan>> plans;
  for (int i = 0; i < 16; ++i) plans.push_back(Numbered(i));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto& plan = plans[static_cast<std::size_t>((i * 7 + t) % 16)];
        cache.Insert(plan);
        const auto found = cache.Find(plan->fingerprint);
        if (found.ok()) {
          EXPECT_EQ((*found)->fingerprint, plan->fingerprint);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), 8000);
}

}  // namespace
}  // namespace weightinit::server
