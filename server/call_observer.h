// Who watches the calls: metrics, and the log of requests.
#ifndef WEIGHTINIT_SERVER_CALL_OBSERVER_H_
#define WEIGHTINIT_SERVER_CALL_OBSERVER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "weightinit/dtype.h"
#include "weightinit/initializer.h"

namespace grpc {
class CallbackServerContext;
}

namespace weightinit::server {

enum class Method : std::uint8_t {
  kInitializeTensor,
  kInitializeModel,
  kPlan,
  kSummarize,
  kGetCapabilities,
};
// In that order.
inline constexpr std::array<std::string_view, 5> kMethodNames = {
    "InitializeTensor", "InitializeModel", "Plan", "Summarize", "GetCapabilities"};

inline std::string_view Name(Method method) {
  return kMethodNames[static_cast<std::size_t>(method)];
}

// What a call was about, as far as it came.
struct CallFacts {
  std::string tensor;          // the first that it asked for; empty: none was resolved
  std::size_t selections = 0;  // that it asked for
  std::int64_t bytes = 0;      // of values that were made for it
};

struct EndedCall {
  using Duration = std::chrono::steady_clock::duration;

  Method method;
  const absl::Status& status;
  const CallFacts& facts;
  Duration queued;                             // until a thread took it up
  Duration time;                               // from the request to the last byte that gRPC took
  const grpc::CallbackServerContext& context;  // of the call
  std::string_view peer;  // as gRPC writes addresses; a context forgets it when its call ends early
  std::string_view client = {};  // whose token or certificate it brought; empty: nobody's
};

// Nothing is told per chunk. Thread-safety: every method may be called from several threads at
// once.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void OnBegin(Method) {}
  // That so many elements were made, with a stream's end.
  virtual void OnDrawn(const Initializer&, DType, std::int64_t /*elements*/) {}
  // Of every call that began, also of one that was refused.
  virtual void OnEnd(const EndedCall&) {}
};

// Tells several, which must outlive it.
class CallObservers final : public CallObserver {
 public:
  explicit CallObservers(std::vector<CallObserver*> observers) : observers_(std::move(observers)) {}
  void OnBegin(Method method) override {
    for (CallObserver* one : observers_) one->OnBegin(method);
  }
  void OnDrawn(const Initializer& init, DType dtype, std::int64_t elements) override {
    for (CallObserver* one : observers_) one->OnDrawn(init, dtype, elements);
  }
  void OnEnd(const EndedCall& call) override {
    for (CallObserver* one : observers_) one->OnEnd(call);
  }

 private:
  const std::vector<CallObserver*> observers_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_CALL_OBSERVER_H_
