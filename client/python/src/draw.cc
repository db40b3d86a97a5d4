#include "client/python/src/draw.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "client/python/src/engine_holder.h"
#include "client/python/src/python_plan.h"
#include "client/python/src/raise.h"
#include "client/python/src/strided_sink.h"
#include "client/python/src/ticker.h"
#include "client/slice_digest.h"
#include "weightinit/sink.h"

namespace weightinit::python {
namespace {

namespace nb = nanobind;

// name, box, dtype (0: the tensor's), address, byte strides (none: in one piece). Whoever asks has
// made sure that the memory is there, writable, and of the box's shape; NumPy has no other way to
// hand over arrays of bfloat16 and float8.
using Job = std::tuple<std::string, std::optional<BoxTuple>, int, std::uintptr_t,
                       std::optional<std::vector<std::int64_t>>>;

std::byte* Memory(std::uintptr_t address) {
  return reinterpret_cast<std::byte*>(address);  // NOLINT(performance-no-int-to-ptr): see Job
}

struct BoundJob {
  BoundSelection selection;
  std::unique_ptr<Sink> sink;
};

BoundJob BindJob(const PythonPlan& plan, const Job& job) {
  const auto& [name, box, dtype, address, strides] = job;
  BoundJob bound{.selection = BindPart(plan, name, box, dtype), .sink = nullptr};
  const BoundSelection& selection = bound.selection;
  if (strides.has_value() && strides->size() != selection.shape.size()) {
    throw nb::value_error("strides of another rank");
  }
  if (strides.has_value()) {
    bound.sink =
        std::make_unique<StridedSink>(Memory(address), selection.shape, *strides, selection.dtype);
  } else {
    const auto size = static_cast<std::size_t>(selection.num_bytes());
    bound.sink = std::make_unique<BytesSink>(std::span(Memory(address), size), selection.dtype);
  }
  return bound;
}

// One job after the other; several threads may call it at once.
class Drawing {
 public:
  Drawing(const Engine& engine, const ModelPlan& plan, std::span<const BoundJob> jobs,
          Ticker& ticker)
      : engine_(engine), plan_(plan), jobs_(jobs), ticker_(ticker) {}

  // To be called by the thread that Python called, the only one that Python can be asked on: it
  // goes on asking until its helpers too have ended.
  void RunAndWait(int helpers) {
    helping_ = helpers;  // before they begin
    std::vector<std::jthread> threads;
    for (int i = 0; i < helpers; ++i) threads.emplace_back([this] { Help(); });
    Run();
    constexpr std::chrono::milliseconds kPoll{20};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kPoll, [this] { return helping_ == 0; })) {
      lock.unlock();
      ticker_.Cancelled();
      lock.lock();
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  void Help() {
    Run();
    const std::lock_guard lock(mutex_);
    --helping_;
    changed_.notify_one();
  }

  void Run() {
    for (std::size_t i = next_++; i < jobs_.size(); i = next_++) {
      const absl::Status status = engine_.Fill(plan_, jobs_[i].selection, *jobs_[i].sink,
                                               [this] { return ticker_.Cancelled(); });
      if (!status.ok()) {
        ticker_.Stop();
        const std::lock_guard lock(mutex_);
        if (status_.ok()) status_ = status;
        return;
      }
      ticker_.Add(jobs_[i].selection.num_bytes());
    }
  }

  const Engine& engine_;
  const ModelPlan& plan_;
  const std::span<const BoundJob> jobs_;
  Ticker& ticker_;
  std::atomic<std::size_t> next_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  int helping_ = 0;      // guarded by mutex_ once there are threads
  absl::Status status_;  // likewise
};

// Everything is bound before the first value is drawn.
void Draw(const PythonPlan& plan, EngineHolder& holder, const std::vector<Job>& jobs,
          nb::object progress) {
  std::vector<BoundJob> bound;
  bound.reserve(jobs.size());
  for (const Job& job : jobs) bound.push_back(BindJob(plan, job));
  const std::shared_ptr<const Engine> engine = holder.Get();
  Ticker ticker(std::move(progress));
  Drawing drawing(*engine, plan.plan, bound, ticker);
  {
    const nb::gil_scoped_release no_gil;
    // A large job is drawn by all threads of the engine, a small one by whoever takes it.
    const auto threads = std::min(engine->threads(), static_cast<int>(bound.size()));
    drawing.RunAndWait(std::max(threads - 1, 0));
  }
  ticker.Rethrow();
  OrRaise(drawing.status());
}

std::uint64_t DrawDigest(const PythonPlan& plan, EngineHolder& holder, const std::string& name,
                         const std::optional<BoxTuple>& box, int dtype) {
  const BoundSelection part = BindPart(plan, name, box, dtype);
  const std::shared_ptr<const Engine> engine = holder.Get();
  Ticker ticker{nb::none()};
  DigestSink sink;
  absl::Status status;
  {
    const nb::gil_scoped_release no_gil;
    status = engine->Fill(plan.plan, part, sink, [&ticker] { return ticker.Cancelled(); });
  }
  ticker.Rethrow();
  OrRaise(status);
  return sink.digest();
}

// A box of a tensor whose elements lie in one piece. Element j of the box (row-major over `shape`)
// has the logical index base + Σ_d j_d·strides[d].
client::SliceDigest MakeDigest(int dtype, const Shape& shape, std::int64_t base,
                               const std::vector<std::int64_t>& strides) {
  if (shape.size() != strides.size()) throw nb::value_error("strides of another rank");
  return client::SliceDigest(
      {.dtype = static_cast<DType>(dtype), .shape = shape, .base = base, .strides = strides});
}

std::uint64_t DigestAt(const client::SliceDigest& digest, std::int64_t first,
                       std::uintptr_t address, std::size_t bytes) {
  const nb::gil_scoped_release no_gil;
  return digest.Of(first, std::span(Memory(address), bytes));
}

}  // namespace

void BindDraw(nb::module_& module) {
  nb::class_<EngineHolder>(module, "Engine")
      .def(
          "__init__",
          [](EngineHolder* holder, int threads, std::int64_t cache_bytes) {
            new (holder) EngineHolder({.threads = threads, .cache_bytes = cache_bytes});
          },
          nb::arg("threads"), nb::arg("cache_bytes"))
      .def("close", &EngineHolder::Close);
  nb::class_<client::SliceDigest>(module, "SliceDigest")
      .def(
          "__init__",
          [](client::SliceDigest* digest, int dtype, const Shape& shape, std::int64_t base,
             const std::vector<std::int64_t>& strides) {
            new (digest) client::SliceDigest(MakeDigest(dtype, shape, base, strides));
          },
          nb::arg("dtype"), nb::arg("shape"), nb::arg("base"), nb::arg("strides"))
      .def("of", DigestAt, nb::arg("first"), nb::arg("address"), nb::arg("bytes"));
  module.def("draw", Draw, nb::arg("plan"), nb::arg("engine"), nb::arg("jobs"),
             nb::arg("progress").none());
  module.def("draw_digest", DrawDigest, nb::arg("plan"), nb::arg("engine"), nb::arg("name"),
             nb::arg("box").none(), nb::arg("dtype"));
}

}  // namespace weightinit::python
