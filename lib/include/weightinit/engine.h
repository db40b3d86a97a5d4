// The engine: draws what a plan says into a sink, on a pool of threads.
//
//   auto plan = weightinit::Resolve(recipe);
//   auto part = weightinit::Bind(*plan, {.name = "fc1.weight"}, "selection");
//   std::vector<std::byte> bytes(part->num_bytes());
//   weightinit::BytesSink sink(bytes, part->dtype);
//   absl::Status status = engine.Fill(*plan, *part, sink);
//
// Guaranteed: the values depend on the plan and the selection alone, not on the number of threads,
// the processor, or what was drawn before. Not guaranteed: anything about security; weights are
// predictable from their recipe by design.
//
// Thread-safety: an Engine may be used from several threads at once.
#ifndef WEIGHTINIT_ENGINE_H_
#define WEIGHTINIT_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "weightinit/export.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit {

struct EngineOptions {
  // Threads that draw, the caller's included. 0: one per processor.
  int threads = 0;
  // Matrices kept for further slices (orthogonal, delta_orthogonal, sparse), in bytes; besides, the
  // last one that is larger than this. 0: none are kept beyond their use.
  std::int64_t cache_bytes = std::int64_t{1} << 30;
};

// Of what EngineOptions::cache_bytes bounds: what is kept now, and what was asked for since the
// engine began and was there, or had to be made. Drawing a matrix in parts asks for each.
struct CacheStats {
  std::int64_t bytes = 0;
  std::uint64_t hits = 0, misses = 0;
};

class WEIGHTINIT_EXPORT Engine {
 public:
  explicit Engine(const EngineOptions& options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Draws what is selected into the sink; returns when all of it is there. `cancelled` is asked now
  // and then, from several threads; when it answers true, Fill returns CANCELLED soon. Small
  // selections are drawn by the caller's thread alone. Errors: CANCELLED, RESOURCE_EXHAUSTED
  // (memory), INTERNAL if the sink throws anything else.
  absl::Status Fill(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                    const std::function<bool()>& cancelled = {}) const;

  // The same by the caller's thread alone; for callers that have their own threads.
  absl::Status FillHere(const ModelPlan& plan, const BoundSelection& selection, Sink& sink,
                        const std::function<bool()>& cancelled = {}) const;

  int threads() const;
  CacheStats cache_stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The instruction set in use: "avx512", "avx2", "sse4", "neon", "scalar". The environment variable
// WEIGHTINIT_SIMD forces one.
WEIGHTINIT_EXPORT std::string_view SimdTarget();

// "0.1.0"
WEIGHTINIT_EXPORT std::string_view Version();

}  // namespace weightinit

#endif  // WEIGHTINIT_ENGINE_H_
