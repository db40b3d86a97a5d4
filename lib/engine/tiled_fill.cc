#include "lib/engine/tiled_fill.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/layout/run_cursor.h"
#include "lib/layout/tile_cutter.h"
#include "lib/source/draw_box.h"

namespace weightinit {
namespace {

// What one task draws: as for a single draw, but more where that makes its runs longer.
constexpr std::int64_t kElementsPerTask = std::int64_t{1} << 16;
constexpr std::int64_t kMostElementsPerTask = std::int64_t{1} << 22;

class TiledFill {
 public:
  TiledFill(const ModelPlan& plan, const BoundSelection& selection, Sink& sink, ThreadPool& pool,
            const SourceTools& tools)
      : plan_(plan),
        selection_(selection),
        sink_(sink),
        pool_(pool),
        tools_(tools),
        cutter_(std::get<TiledLayout>(Tensor().layout), Tensor().shape, selection),
        per_task_(cutter_.ElementsTogether(kElementsPerTask, kMostElementsPerTask)),
        // Tasks begin at multiples of their size, so that they hold whole rows.
        first_task_(selection.first / per_task_),
        end_task_((selection.first + selection.count - 1) / per_task_ + 1) {}

  absl::Status Run() {
    if (IsMadeWhole(plan_, selection_.tensor)) FindLastUses();
    std::int64_t begin = first_task_;
    for (std::int64_t task = first_task_; task < end_task_; ++task) {
      if (Cancelled()) return absl::CancelledError("cancelled while drawing");
      std::vector<int> missing = MissingOf(task);
      // A matrix is made by all threads together, before the tasks that need it.
      const bool wait = std::any_of(missing.begin(), missing.end(),
                                    [&](int draw) { return IsMadeWhole(Draw(draw)); });
      if (wait) {
        if (const auto status = RunTasks(begin, task); !status.ok()) return status;
        begin = task;
        Release(task);
      }
      for (const int draw : missing) {
        auto source = MakeSource(Draw(draw), tools_);
        if (!source.ok()) return source.status();
        sources_.emplace(draw, *std::move(source));
      }
    }
    return RunTasks(begin, end_task_);
  }

 private:
  const TensorPlan& Tensor() const {
    return plan_.tensors[static_cast<std::size_t>(selection_.tensor)];
  }
  const weightinit::Draw& Draw(int draw) const {
    return plan_.draws[static_cast<std::size_t>(draw)];
  }
  bool Cancelled() const { return tools_.cancelled && tools_.cancelled(); }

  std::int64_t FirstOf(std::int64_t task) const {
    return std::max(task * per_task_, selection_.first);
  }
  std::int64_t EndOf(std::int64_t task) const {
    return std::min((task + 1) * per_task_, selection_.first + selection_.count);
  }
  void Cut(std::int64_t task, const std::function<void(const DrawBox&)>& visit) const {
    cutter_.Cut(FirstOf(task), EndOf(task) - FirstOf(task), visit);
  }

  std::vector<int> MissingOf(std::int64_t task) const {
    std::vector<int> missing;
    Cut(task, [&](const DrawBox& box) {
      if (box.draw == Tile::kZeros || sources_.contains(box.draw)) return;
      if (std::find(missing.begin(), missing.end(), box.draw) == missing.end())
        missing.push_back(box.draw);
    });
    return missing;
  }

  void FindLastUses() {
    for (std::int64_t task = first_task_; task < end_task_; ++task) {
      Cut(task, [&](const DrawBox& box) {
        if (box.draw != Tile::kZeros && IsMadeWhole(Draw(box.draw))) last_use_[box.draw] = task;
      });
    }
  }

  // Lets go of the matrices that no task from this one on needs.
  void Release(std::int64_t task) {
    for (const auto& [draw, last] : last_use_) {
      if (last < task) sources_.erase(draw);
    }
  }

  absl::Status RunTasks(std::int64_t begin, std::int64_t end) {
    std::atomic<bool> stopped{false};
    pool_.ParallelFor(end - begin, [&](std::int64_t k) {
      if (stopped.load(std::memory_order_relaxed)) return;
      if (Cancelled()) {
        stopped = true;
        return;
      }
      DrawTask(begin + k);
    });
    if (stopped) return absl::CancelledError("cancelled while drawing");
    return absl::OkStatus();
  }

  void DrawTask(std::int64_t task) const {
    const std::int64_t first = FirstOf(task), count = EndOf(task) - first;
    const std::int64_t offset = first - selection_.first;
    const std::int64_t size = SizeBytes(selection_.dtype);
    std::byte* out = sink_.Destination(offset, count);
    std::vector<std::byte> scratch;
    if (out == nullptr) {
      scratch.resize(static_cast<std::size_t>(count * size));
      out = scratch.data();
    }
    Cut(task, [&](const DrawBox& box) {
      const auto source = sources_.find(box.draw);
      FillBox(source == sources_.end() ? nullptr : source->second.get(), box, selection_.dtype,
              out);
    });
    RunCursor cursor(selection_, first, count);
    std::int64_t done = 0;
    for (weightinit::Run run; cursor.Next(run); done += run.count) {
      sink_.Take({.offset = offset + done,
                  .count = run.count,
                  .index = run.index,
                  .stride = run.stride,
                  .dtype = selection_.dtype,
                  .values = {out + done * size, static_cast<std::size_t>(run.count * size)}});
    }
  }

  const ModelPlan& plan_;
  const BoundSelection& selection_;
  Sink& sink_;
  ThreadPool& pool_;
  const SourceTools& tools_;
  const TileCutter cutter_;
  const std::int64_t per_task_;
  const std::int64_t first_task_, end_task_;
  std::unordered_map<int, std::unique_ptr<const Source>> sources_;
  std::unordered_map<int, std::int64_t> last_use_;  // of matrices made whole
};

}  // namespace

absl::Status FillTiled(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                       ThreadPool& pool, const SourceTools& tools) {
  return TiledFill(plan, selection, sink, pool, tools).Run();
}

}  // namespace weightinit
