// What is counted, as Prometheus reads it.
#ifndef WEIGHTINIT_SERVER_METRICS_H_
#define WEIGHTINIT_SERVER_METRICS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "server/call_observer.h"
#include "weightinit/engine.h"

namespace weightinit::server {

// What is asked when somebody looks, and not counted before.
struct ServerState {
  int streams = 0;
  std::int64_t stream_bytes = 0;  // promised to them
  std::int64_t recipe_cache_bytes = 0;
  std::uint64_t recipe_cache_hits = 0, recipe_cache_misses = 0;
  CacheStats cache;  // the engine's
  bool is_serving = true;
  std::optional<std::int64_t> certificate_expiry;  // seconds since 1970
};

// Counters of calls have the names of the ecosystem (go-grpc-prometheus), so that its dashboards
// work: grpc_server_started_total, grpc_server_handled_total, grpc_server_handling_seconds. Label
// values come from closed sets: no caller can make a series.
//
// Thread-safety: safe for use from several threads at once.
class Metrics final : public CallObserver {
 public:
  Metrics();
  ~Metrics() override;

  void OnBegin(Method method) override;
  void OnDrawn(const Initializer& init, DType dtype, std::int64_t elements) override;
  void OnEnd(const EndedCall& call) override;

  // Everything, in Prometheus's text format.
  std::string Text(const ServerState& state) const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_METRICS_H_
