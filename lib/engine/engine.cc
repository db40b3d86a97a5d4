#include "weightinit/engine.h"

#include <algorithm>
#include <array>
#include <atomic>

#include "lib/base/catch_all.h"
#include "lib/engine/processors.h"
#include "lib/engine/single_flight_cache.h"
#include "lib/engine/thread_pool.h"
#include "lib/engine/tiled_fill.h"
#include "lib/layout/run_cursor.h"
#include "lib/source/kernels/kernels.h"
#include "lib/source/source.h"

namespace weightinit {
namespace {

// What one task of the pool draws: long enough that handing it out costs nothing, short enough to
// spread and to cancel.
constexpr std::int64_t kElementsPerTask = std::int64_t{1} << 16;
// What is drawn before a sink looks at it, so that it is still in a near cache: less where the sink
// keeps none of it and it is drawn to the same place again and again.
constexpr std::int64_t kElementsPerPiece = std::int64_t{1} << 14;
constexpr std::int64_t kElementsOfScratch = std::int64_t{1} << 13;
constexpr std::size_t kMaxElementBytes = 8;

// Draws elements [first, first + count) of a selection.
void DrawPart(const Source& source, const BoundSelection& selection, std::int64_t first,
              std::int64_t count, Sink& sink) {
  alignas(64) std::array<std::byte, kElementsOfScratch * kMaxElementBytes> scratch;
  RunCursor cursor(selection, selection.first + first, count);
  std::int64_t offset = first;
  for (Run run; cursor.Next(run);) {
    for (std::int64_t done = 0; done < run.count;) {
      std::int64_t n = std::min(run.count - done, kElementsPerPiece);
      const std::int64_t index = run.index + done * run.stride;
      std::byte* destination = sink.Destination(offset, n);
      if (destination == nullptr) {
        destination = scratch.data();
        n = std::min(n, kElementsOfScratch);
      }
      source.Draw(index, run.stride, n, selection.dtype, destination);
      sink.Take(
          {.offset = offset,
           .count = n,
           .index = index,
           .stride = run.stride,
           .dtype = selection.dtype,
           .values = {destination, static_cast<std::size_t>(n * SizeBytes(selection.dtype))}});
      offset += n;
      done += n;
    }
  }
}

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options)
      : pool_(options.threads > 0 ? options.threads : AvailableProcessors()),
        here_(1),
        cache_(options.cache_bytes) {}

  absl::Status Fill(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                    const std::function<bool()>& cancelled, ThreadPool& pool) {
    if (selection.count == 0) return absl::OkStatus();
    const auto parallel_for = [&pool](std::int64_t count,
                                      const std::function<void(std::int64_t)>& task) {
      pool.ParallelFor(count, task);
    };
    const SourceTools tools{.cache = &cache_, .parallel_for = parallel_for, .cancelled = cancelled};
    const TensorPlan& tensor = plan.tensors[static_cast<std::size_t>(selection.tensor)];
    const auto* identity = std::get_if<IdentityLayout>(&tensor.layout);
    if (identity == nullptr) return FillTiled(plan, selection, sink, pool, tools);
    auto source = MakeSource(plan.draws[static_cast<std::size_t>(identity->draw)], tools);
    if (!source.ok()) return source.status();
    std::atomic<bool> stopped{false};
    const std::int64_t tasks = (selection.count - 1) / kElementsPerTask + 1;
    pool.ParallelFor(tasks, [&](std::int64_t task) {
      if (stopped.load(std::memory_order_relaxed)) return;
      if (cancelled && cancelled()) {
        stopped = true;
        return;
      }
      const std::int64_t first = task * kElementsPerTask;
      DrawPart(**source, selection, first, std::min(kElementsPerTask, selection.count - first),
               sink);
    });
    if (stopped) return absl::CancelledError("cancelled while drawing");
    return absl::OkStatus();
  }

  ThreadPool& pool() { return pool_; }
  ThreadPool& here() { return here_; }
  CacheStats cache_stats() { return cache_.stats(); }

 private:
  ThreadPool pool_;
  ThreadPool here_;  // of one thread: the caller's
  SingleFlightCache cache_;
};

Engine::Engine(const EngineOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Engine::~Engine() = default;

absl::Status Engine::Fill(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                          const std::function<bool()>& cancelled) const {
  return CatchAll([&] { return impl_->Fill(plan, selection, sink, cancelled, impl_->pool()); });
}

absl::Status Engine::FillHere(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                              const std::function<bool()>& cancelled) const {
  return CatchAll([&] { return impl_->Fill(plan, selection, sink, cancelled, impl_->here()); });
}

int Engine::threads() const { return impl_->pool().threads(); }

CacheStats Engine::cache_stats() const { return impl_->cache_stats(); }

std::string_view SimdTarget() { return kernels::BestKernels().target; }

std::string_view Version() { return WEIGHTINIT_VERSION; }

}  // namespace weightinit
