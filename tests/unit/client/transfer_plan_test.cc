// However a read is divided, everything is asked for once, in order, in calls of sensible size.
#include "client/transfer_plan.h"

#include <gtest/gtest.h>

#include <random>

namespace weightinit::client {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

BoundSelection Elements(std::int64_t count, DType dtype = DType::kFloat32) {
  BoundSelection selection;
  selection.dtype = dtype;
  selection.count = count;
  return selection;
}

std::int64_t BytesOf(const Batch& batch, const std::vector<BoundSelection>& selections) {
  std::int64_t sum = 0;
  for (const TransferPart& part : batch) {
    sum += part.count * SizeBytes(selections[part.selection].dtype);
  }
  return sum;
}

void ExpectEverythingOnceInOrder(const std::vector<BoundSelection>& selections,
                                 const std::vector<Batch>& batches) {
  std::size_t selection = 0;
  std::int64_t next = 0;
  for (const Batch& batch : batches) {
    ASSERT_FALSE(batch.empty());
    for (const TransferPart& part : batch) {
      ASSERT_LT(selection, selections.size());
      ASSERT_EQ(part.selection, selection);
      ASSERT_EQ(part.first, next);
      ASSERT_TRUE(part.count > 0 || selections[selection].count == 0);
      next += part.count;
      ASSERT_LE(next, selections[selection].count);
      if (next == selections[selection].count) {
        ++selection;
        next = 0;
      }
    }
  }
  EXPECT_EQ(selection, selections.size());
}

TEST(TransferPlanTest, EverythingOnceInOrder) {
  std::mt19937_64 random(1);
  const DType dtypes[] = {DType::kFloat8E5M2, DType::kFloat16, DType::kFloat32, DType::kFloat64};
  for (int trial = 0; trial < 100; ++trial) {
    std::vector<BoundSelection> selections(random() % 8);
    for (BoundSelection& selection : selections) {
      // Sizes of every order of magnitude, 0 among them.
      selection = Elements(static_cast<std::int64_t>(random() >> (20 + random() % 44)),
                           dtypes[random() % 4]);
    }
    for (const int connections : {1, 2, 3, 8, 64}) {
      const std::vector<Batch> batches = PlanTransfer(selections, connections);
      ExpectEverythingOnceInOrder(selections, batches);
      std::size_t parts = 0;
      for (const Batch& batch : batches) parts += batch.size();
      EXPECT_LE(parts, 2 * (65'536 + 2 * selections.size()));
      if (connections == 1) {
        EXPECT_LE(batches.size(), 1u);
      }
    }
  }
}

TEST(TransferPlanTest, WhatNoServerSendsIsNotCutWithoutEnd) {
  const std::int64_t huge = std::int64_t{1} << 60;
  const std::vector<BoundSelection> selections(20, Elements(huge));  // the sum is beyond 2^63
  for (const int connections : {1, 4}) {
    const std::vector<Batch> batches = PlanTransfer(selections, connections);
    ExpectEverythingOnceInOrder(selections, batches);
    EXPECT_LE(batches.size(), 150'000u);
  }
  EXPECT_EQ(AutomaticConnections(selections, 64, false), 4);
}

TEST(TransferPlanTest, ALargeTensorComesOverAllConnectionsAtOnce) {
  const std::vector<BoundSelection> selections = {Elements(1024 * kMiB / 4)};
  const std::vector<Batch> batches = PlanTransfer(selections, 4);
  EXPECT_EQ(batches.size(), 64u);
  for (const Batch& batch : batches) EXPECT_EQ(BytesOf(batch, selections), 16 * kMiB);
}

TEST(TransferPlanTest, SmallTensorsShareACall) {
  const std::vector<BoundSelection> selections(1000, Elements(kMiB / 4 + 1));
  const std::vector<Batch> batches = PlanTransfer(selections, 2);
  EXPECT_GE(batches.size(), 50u);
  EXPECT_LE(batches.size(), 64u);
  EXPECT_EQ(PlanTransfer(std::vector<BoundSelection>(100, Elements(10)), 8).size(), 1u);
}

TEST(TransferPlanTest, WhatAllConnectionsMayHaveOnTheirWayFitsTheMemory) {
  std::mt19937_64 random(2);
  std::vector<BoundSelection> selections = {Elements(10'000 * kMiB)};
  for (int i = 0; i < 500; ++i) {
    selections.push_back(Elements(static_cast<std::int64_t>(random() % (40 * kMiB))));
  }
  for (const int connections : {2, 4, 16}) {
    for (const Batch& batch : PlanTransfer(selections, connections)) {
      EXPECT_LE(BytesOf(batch, selections), 20 * kMiB);
    }
  }
}

TEST(TransferPlanTest, PartsAreSmallEnoughToBeCheckedAgain) {
  const std::vector<BoundSelection> selections = {Elements(10'000 * kMiB / 8, DType::kFloat64)};
  for (const int connections : {1, 4}) {
    for (const Batch& batch : PlanTransfer(selections, connections)) {
      for (const TransferPart& part : batch) EXPECT_LE(part.count * 8, 256 * kMiB);
    }
  }
}

TEST(TransferPlanTest, WhatIsMadeWholeComesInOneCall) {
  std::vector<BoundSelection> selections = {Elements(20 * kMiB), Elements(200 * kMiB),
                                            Elements(20 * kMiB)};
  for (int i = 0; i < 3; ++i) selections[static_cast<std::size_t>(i)].tensor = i;
  const std::vector<Batch> batches =
      PlanTransfer(selections, 4, [](int tensor) { return tensor == 1; });
  ExpectEverythingOnceInOrder(selections, batches);
  std::vector<int> parts(3, 0);
  for (const Batch& batch : batches) {
    for (const TransferPart& part : batch) ++parts[part.selection];
  }
  EXPECT_EQ(parts[1], 1);
  EXPECT_GT(parts[0], 1);
  EXPECT_GT(parts[2], 1);
}

TEST(TransferPlanTest, CutsFallBetweenWholeMessages) {
  const std::vector<BoundSelection> selections = {Elements(12345, DType::kUInt8),
                                                  Elements(300 * kMiB, DType::kFloat16)};
  for (const Batch& batch : PlanTransfer(selections, 3)) {
    for (const TransferPart& part : batch) EXPECT_EQ(part.first * 2 % (4 * kMiB), 0);
  }
}

TEST(TransferPlanTest, ConnectionsFollowSizeAndProcessors) {
  const auto connections = [](std::int64_t mib, int processors, bool several = false) {
    return AutomaticConnections(std::vector{Elements(mib * kMiB, DType::kUInt8)}, processors,
                                several);
  };
  EXPECT_EQ(connections(0, 8), 1);
  EXPECT_EQ(connections(127, 8), 1);
  EXPECT_EQ(connections(128, 8), 2);
  EXPECT_EQ(connections(10'000, 8), 4);
  EXPECT_EQ(connections(10'000, 2), 2);
  EXPECT_EQ(connections(10'000, 2, /*several=*/true), 4);
  EXPECT_EQ(connections(127, 2, /*several=*/true), 1);
  EXPECT_EQ(connections(10'000, 0), 1);  // where the number of processors is not known
  EXPECT_EQ(AutomaticConnections({}, 8, false), 1);
}

}  // namespace
}  // namespace weightinit::client
