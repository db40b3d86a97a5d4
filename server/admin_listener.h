// Plain HTTP for those who watch over the server: Prometheus and probes.
#ifndef WEIGHTINIT_SERVER_ADMIN_LISTENER_H_
#define WEIGHTINIT_SERVER_ADMIN_LISTENER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

struct mg_connection;  // civetweb's, kept out of this header
struct mg_context;

namespace weightinit::server {

// Serves /metrics, /healthz (200 while the process answers at all) and /readyz (200, or 503 once
// the server is to stop). It tells nothing that must be hidden and lets no one change anything, and
// so asks no one who they are.
//
// Thread-safety: safe for use from several threads at once.
class AdminListener {
 public:
  // Asked on threads of the listener.
  struct Pages {
    std::function<std::string()> metrics;
    std::function<bool()> is_ready;
  };

  // At "HOST:PORT"; port 0 takes a free one. Errors: INVALID_ARGUMENT, UNAVAILABLE.
  static absl::StatusOr<std::unique_ptr<AdminListener>> Start(const std::string& address,
                                                              Pages pages);
  ~AdminListener();

  // With the port that it got.
  const std::string& address() const { return address_; }

 private:
  struct Stop {
    void operator()(mg_context* context) const;
  };

  explicit AdminListener(Pages pages) : pages_(std::move(pages)) {}
  int Answer(mg_connection* connection, const std::string& path) const;

  const Pages pages_;
  std::string address_;
  std::unique_ptr<mg_context, Stop> context_;  // last: its threads use all of the above
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_ADMIN_LISTENER_H_
