// One line per call: who asked for what, and how it ended.
#ifndef WEIGHTINIT_SERVER_ACCESS_LOG_H_
#define WEIGHTINIT_SERVER_ACCESS_LOG_H_

#include <optional>
#include <string>
#include <string_view>

#include "server/call_observer.h"
#include "server/logging.h"

namespace weightinit::server {

// W3C Trace Context: "00-TRACE-PARENT-FLAGS" in lower-case hex digits.
struct TraceParent {
  std::string trace_id;   // 32 digits
  std::string parent_id;  // 16 digits
};
// nullopt for what is not of that form: it came from outside.
std::optional<TraceParent> ParseTraceParent(std::string_view text);

// Of a call's metadata only `x-request-id` and `traceparent` are ever written, so that no secret
// gets into a log.
//
// Thread-safety: safe for use from several threads at once.
class AccessLog final : public CallObserver {
 public:
  // `all`: every call is a line of level info; else those that went well, or wrong by the caller's
  // fault, are of level debug. What is the server's fault is an error. `logger` must outlive this.
  AccessLog(const Logger& logger, bool all) : logger_(logger), all_(all) {}

  void OnEnd(const EndedCall& call) override;

 private:
  const Logger& logger_;
  const bool all_;
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_ACCESS_LOG_H_
