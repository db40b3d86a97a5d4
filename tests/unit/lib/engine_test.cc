// The engine, its pool of threads and its cache.
#include "weightinit/engine.h"

#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include "lib/engine/single_flight_cache.h"
#include "lib/engine/thread_pool.h"
#include "tests/support/address_space_limit.h"
#include "tests/unit/lib/testing.h"

namespace weightinit {
namespace {

using namespace std::chrono_literals;
using test::BytesOf;
using test::MustResolve;
using test::Spec;

// The pool.
// ----------------------------------------------------------------------------

TEST(ThreadPoolTest, RunsEveryTurnOnce) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (const std::int64_t count : {0, 1, 2, 3, 1000}) {
      std::vector<std::atomic<int>> turns(static_cast<std::size_t>(count));
      pool.ParallelFor(count, [&](std::int64_t i) { ++turns[static_cast<std::size_t>(i)]; });
      for (const auto& n : turns) EXPECT_EQ(n, 1);
    }
  }
}

TEST(ThreadPoolTest, LoopsMayBeNested) {
  ThreadPool pool(3);
  std::atomic<int> turns{0};
  pool.ParallelFor(20, [&](std::int64_t) {
    pool.ParallelFor(20,
                     [&](std::int64_t) { pool.ParallelFor(5, [&](std::int64_t) { ++turns; }); });
  });
  EXPECT_EQ(turns, 2000);
}

TEST(ThreadPoolTest, LoopsOfSeveralCallersDoNotMix) {
  ThreadPool pool(4);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<int> turns{0};
        pool.ParallelFor(round % 7, [&](std::int64_t) { ++turns; });
        if (turns != round % 7) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPoolTest, UsesTheThreadsItHas) {
  ThreadPool pool(2);
  std::latch both(2);
  // Returns only if two turns run at the same time.
  pool.ParallelFor(2, [&](std::int64_t) { both.arrive_and_wait(); });
}

TEST(ThreadPoolTest, OneThreadIsTheCallers) {
  ThreadPool pool(1);
  pool.ParallelFor(10, [caller = std::this_thread::get_id()](std::int64_t) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

TEST(ThreadPoolTest, MayEndWithoutEverHavingRun) { ThreadPool pool(8); }

TEST(ThreadPoolTest, WhatATaskThrowsReachesTheCaller) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const auto loop = [&](std::int64_t thrower) {
      pool.ParallelFor(1000, [&](std::int64_t i) {
        if (i == thrower) throw std::bad_alloc();
      });
    };
    EXPECT_THROW(loop(0), std::bad_alloc);
    EXPECT_THROW(loop(999), std::bad_alloc);
    EXPECT_NO_THROW(loop(1000)) << "the pool goes on";
  }
}

TEST(ThreadPoolTest, WorksWithTheThreadsThatTheSystemGives) {
  if (test::kSanitized) GTEST_SKIP() << "sanitizers map more than any limit";
  const test::AddressSpaceLimit limit(std::int64_t{2} << 30);  // a few hundred stacks
  ThreadPool pool(4096);
  std::atomic<int> turns{0};
  pool.ParallelFor(100, [&](std::int64_t) { ++turns; });
  EXPECT_EQ(turns, 100);
}

// The cache.
// ----------------------------------------------------------------------------

absl::StatusOr<SingleFlightCache::Made> MadeOf(int value, std::int64_t bytes) {
  return SingleFlightCache::Made{std::make_shared<const int>(value), bytes};
}

TEST(SingleFlightCacheTest, MakesAValueOncePerKeyUnderConcurrency) {
  SingleFlightCache cache(1 << 20);
  constexpr int kKeys = 5, kThreads = 8;
  std::atomic<int> made[kKeys] = {};
  std::latch start(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int k = 0; k < kKeys; ++k) {
        const auto value = cache.Get<int>(std::to_string(k),
                                          [&, k] {
                                            ++made[k];
                                            std::this_thread::sleep_for(5ms);
                                            return MadeOf(k, 4);
                                          },
                                          {});
        ASSERT_TRUE(value.ok());
        EXPECT_EQ(**value, k);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& n : made) EXPECT_EQ(n, 1);
}

TEST(SingleFlightCacheTest, AFailureIsItsMakersAloneAndAWaiterTriesAgain) {
  SingleFlightCache cache(1 << 20);
  std::latch first_is_making(1);
  std::atomic<int> calls{0};
  std::thread first([&] {
    const auto value = cache.Get<int>("k",
                                      [&]() -> absl::StatusOr<SingleFlightCache::Made> {
                                        ++calls;
                                        first_is_making.count_down();
                                        std::this_thread::sleep_for(20ms);
                                        return absl::ResourceExhaustedError("no memory");
                                      },
                                      {});
    EXPECT_EQ(value.status().code(), absl::StatusCode::kResourceExhausted);
  });
  first_is_making.wait();
  const auto value = cache.Get<int>("k",
                                    [&] {
                                      ++calls;
                                      return MadeOf(7, 4);
                                    },
                                    {});
  first.join();
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(**value, 7);
  EXPECT_EQ(calls, 2);
}

TEST(SingleFlightCacheTest, AMakerThatThrowsLeavesTheKeyToOthers) {
  SingleFlightCache cache(1 << 20);
  const auto throwing = []() -> absl::StatusOr<SingleFlightCache::Made> { throw std::bad_alloc(); };
  EXPECT_THROW(static_cast<void>(cache.Get<int>("k", throwing, {})), std::bad_alloc);
  // Would wait for ever if the key were still being made.
  const auto value = cache.Get<int>(
      "k", [] { return MadeOf(7, 4); }, [] { return true; });
  ASSERT_OK(value);
  EXPECT_EQ(**value, 7);
}

TEST(SingleFlightCacheTest, CancellingEndsTheWaitButNotTheMaking) {
  SingleFlightCache cache(1 << 20);
  std::latch making(1), waiter_left(1);
  std::thread maker([&] {
    const auto value = cache.Get<int>("k",
                                      [&] {
                                        making.count_down();
                                        waiter_left.wait();
                                        return MadeOf(7, 4);
                                      },
                                      {});
    EXPECT_TRUE(value.ok());
  });
  making.wait();
  const auto value = cache.Get<int>(
      "k", [] { return MadeOf(8, 4); }, [] { return true; });
  EXPECT_EQ(value.status().code(), absl::StatusCode::kCancelled);
  waiter_left.count_down();
  maker.join();
  const auto kept = cache.Get<int>("k", [] { return MadeOf(9, 4); }, {});
  EXPECT_EQ(**kept, 7);
}

TEST(SingleFlightCacheTest, KeepsTheMostRecentlyUsedWithinItsBytes) {
  SingleFlightCache cache(100);
  int made = 0;
  const auto get = [&](const std::string& key, std::int64_t bytes) {
    const int before = made;
    const auto value = cache.Get<int>(key, [&, bytes] { return MadeOf(++made, bytes); }, {});
    EXPECT_TRUE(value.ok());
    return made > before ? "made" : "kept";
  };
  EXPECT_STREQ(get("a", 40), "made");
  EXPECT_STREQ(get("b", 40), "made");
  EXPECT_STREQ(get("a", 40), "kept");
  EXPECT_STREQ(get("c", 40), "made");  // b goes: a was used later
  EXPECT_STREQ(get("a", 40), "kept");
  EXPECT_STREQ(get("b", 40), "made");  // c goes
  EXPECT_STREQ(get("larger", 101), "made");
  EXPECT_STREQ(get("larger", 101), "kept") << "besides, since it was the last one";
  EXPECT_STREQ(get("another", 102), "made");
  EXPECT_STREQ(get("another", 102), "kept");
  EXPECT_STREQ(get("larger", 101), "made") << "the other took its place";
  EXPECT_STREQ(get("a", 40), "kept") << "and nothing else goes for it";
  EXPECT_STREQ(get("d", 100), "made");
  EXPECT_STREQ(get("d", 100), "kept");
  EXPECT_STREQ(get("a", 40), "made");
  const CacheStats stats = cache.stats();
  EXPECT_EQ(stats.hits, 6u);
  EXPECT_EQ(stats.misses, 9u);
  EXPECT_EQ(stats.bytes, 40 + 101) << "a, and the last of the larger ones";
}

TEST(SingleFlightCacheTest, AValueInUseOutlivesItsPlace) {
  SingleFlightCache cache(0);
  const auto value = cache.Get<int>("k", [] { return MadeOf(7, 4); }, {});
  EXPECT_EQ(**value, 7);
}

// The engine.
// ----------------------------------------------------------------------------

TEST(EngineTest, ThreadsAreThoseAskedFor) {
  EXPECT_EQ(Engine({.threads = 3}).threads(), 3);
  EXPECT_GE(Engine().threads(), 1);
}

TEST(EngineTest, KnowsWhatItRunsOn) {
  EXPECT_FALSE(SimdTarget().empty());
  EXPECT_FALSE(Version().empty());
}

TEST(EngineTest, AnEmptySelectionNeverAsksTheSink) {
  class NoSink final : public Sink {
    void Take(const Piece&) override { ADD_FAILURE(); }
  } sink;
  const Engine engine({.threads = 2});
  const ModelPlan plan = MustResolve(Spec("w", {0, 5}, Orthogonal{}));
  EXPECT_OK(engine.Fill(plan, SelectAll(plan)[0], sink));
}

TEST(EngineTest, PiecesCoverTheSelectionOnceAndTellWhereTheyBelong) {
  const Engine engine({.threads = 3});
  const ModelPlan plan = MustResolve(Spec("w", {300, 70, 11}, Normal{}));
  const auto bound =
      Bind(plan, {.name = "w", .slice = Box{{{3, 200, {}}, {1, 30, 2}, {0, 5, 2}}}}, "s");
  ASSERT_OK(bound);
  class Recorder final : public Sink {
   public:
    void Take(const Piece& piece) override {
      const std::lock_guard lock(mutex);
      EXPECT_EQ(piece.values.size(), static_cast<std::size_t>(piece.count) * 4);
      for (std::int64_t k = 0; k < piece.count; ++k) {
        EXPECT_TRUE(
            index_of_offset.emplace(piece.offset + k, piece.index + k * piece.stride).second);
      }
    }
    std::mutex mutex;
    std::map<std::int64_t, std::int64_t> index_of_offset;
  } recorder;
  ASSERT_OK(engine.Fill(plan, Part(*bound, 17, 29'000), recorder));
  ASSERT_EQ(recorder.index_of_offset.size(), 29'000u);
  for (const auto& [offset, index] : recorder.index_of_offset) {
    const std::int64_t j = offset + 17;
    ASSERT_EQ(index, ((3 + j / 150) * 70 + 1 + 2 * (j / 5 % 30)) * 11 + 2 * (j % 5)) << offset;
  }
}

TEST(EngineTest, NoExceptionComesOutOfAFill) {
  struct Throwing final : Sink {
    void Take(const Piece&) override { throw std::bad_alloc(); }
  } sink;
  const Engine engine({.threads = 3});
  const ModelPlan plan = MustResolve(Spec("w", {1 << 20}, Normal{}));
  const BoundSelection all = SelectAll(plan)[0];
  EXPECT_EQ(engine.Fill(plan, all, sink).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine.FillHere(plan, all, sink).code(), absl::StatusCode::kResourceExhausted);
}

TEST(EngineTest, CancellingEndsAFillSoon) {
  const Engine engine({.threads = 2});
  for (const Initializer& init : {Initializer(Normal{}), Initializer(Zeros{})}) {
    const ModelPlan plan = MustResolve(Spec("w", {std::int64_t{1} << 40}, init));
    DigestSink sink;
    std::atomic<int> asked{0};
    const auto status = engine.Fill(plan, SelectAll(plan)[0], sink, [&] { return ++asked > 3; });
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << ToString(init);
    EXPECT_LT(asked, 10);
  }
}

TEST(EngineTest, CancellingEndsTheMakingOfAMatrix) {
  const Engine engine({.threads = 2});
  for (const Initializer& init :
       {Initializer(Orthogonal{}), Initializer(Sparse{.sparsity = 0.5})}) {
    const ModelPlan plan = MustResolve(Spec("w", {600, 600}, init));
    DigestSink sink;
    EXPECT_EQ(engine.Fill(plan, SelectAll(plan)[0], sink, [] { return true; }).code(),
              absl::StatusCode::kCancelled);
    // The next one makes it as if nothing had happened.
    EXPECT_OK(engine.Fill(plan, SelectAll(plan)[0], sink));
  }
}

TEST(EngineTest, MatricesAreMadeOnceForSlicesGainsAndDTypes) {
  const Engine engine({.threads = 2});
  TensorSpec spec = Spec("w", {700, 500}, Orthogonal{});
  const auto time = [&](const ModelPlan& plan, const BoundSelection& selection) {
    const auto start = std::chrono::steady_clock::now();
    BytesOf(engine, plan, selection);
    return std::chrono::steady_clock::now() - start;
  };
  const ModelPlan plan = MustResolve(spec);
  const auto made = time(plan, SelectAll(plan)[0]);
  spec.init = Orthogonal{2};
  spec.dtype = DType::kBFloat16;
  const ModelPlan other = MustResolve(spec);
  EXPECT_LT(time(other, SelectAll(other)[0]), made / 3);
}

TEST(EngineTest, SparseColumnsOfManyRowsHaveTheirZeros) {
  constexpr std::int64_t kRows = (1 << 20) + 1, kCols = 20;  // more columns than are held at once
  const ModelPlan plan =
      MustResolve(Spec("w", {kRows, kCols}, Sparse{.sparsity = 0.5}, DType::kFloat8E5M2));
  const auto bytes = BytesOf(Engine({.threads = 2}), plan, SelectAll(plan)[0]);
  std::vector<std::int64_t> zeros(kCols);
  for (std::size_t i = 0; i < bytes.size(); ++i) zeros[i % kCols] += bytes[i] == std::byte{0};
  for (const std::int64_t n : zeros) {
    EXPECT_GE(n, (kRows + 1) / 2);
    EXPECT_LT(n, (kRows + 1) / 2 + kRows / 100) << "few values round to zero";
  }
}

TEST(EngineTest, AMatrixThatNoMemoryHoldsIsResourceExhausted) {
  const Engine engine({.threads = 1});
  const ModelPlan plan = MustResolve(Spec("w", {std::int64_t{1} << 31, std::int64_t{1} << 31},
                                          Orthogonal{}, DType::kFloat8E4M3FN));
  DigestSink sink;
  EXPECT_EQ(engine.Fill(plan, Part(SelectAll(plan)[0], 0, 1), sink).code(),
            absl::StatusCode::kResourceExhausted);
  const ModelPlan wide = MustResolve(
      Spec("w", {2, std::int64_t{1} << 61}, Sparse{.sparsity = 0.5}, DType::kFloat8E4M3FN));
  EXPECT_EQ(engine.Fill(wide, Part(SelectAll(wide)[0], 0, 1), sink).code(),
            absl::StatusCode::kResourceExhausted);
}

// torch's dirac_ takes k div 2 for the centre of an even kernel, JAX's delta_orthogonal (k − 1)
// div 2.
TEST(EngineTest, EvenKernelsHaveTheirMethodsOwnCentre) {
  const Engine engine({.threads = 1});
  for (const auto& [init, centre] :
       {std::pair<Initializer, std::size_t>{Dirac{}, 2}, {DeltaOrthogonal{}, 1}}) {
    const ModelPlan plan = MustResolve(Spec("w", {1, 1, 4}, init));
    const auto values = test::ValuesOf<float>(BytesOf(engine, plan, SelectAll(plan)[0]));
    for (std::size_t tap = 0; tap < 4; ++tap)
      EXPECT_EQ(values[tap] != 0, tap == centre) << ToString(init) << " tap " << tap;
  }
}

TEST(EngineTest, ServesSeveralCallersAtOnce) {
  const Engine engine({.threads = 2});
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c) {
    callers.emplace_back([&engine, c] {
      const ModelPlan plan = MustResolve(
          Spec("w", {97, 89}, c % 2 == 0 ? Initializer(Orthogonal{}) : Initializer(Normal{})));
      const BoundSelection all = SelectAll(plan)[0];
      const auto expected = BytesOf(Engine({.threads = 1}), plan, all);
      for (int round = 0; round < 10; ++round) {
        CompareSink sink(expected, all.dtype);
        EXPECT_OK(engine.Fill(plan, all, sink));
        EXPECT_EQ(sink.differing(), 0);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace weightinit
