// A running server: listeners, health, reflection, and the way down.
#ifndef WEIGHTINIT_SERVER_SERVER_H_
#define WEIGHTINIT_SERVER_SERVER_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/access_log.h"
#include "server/admin_listener.h"
#include "server/certificates.h"
#include "server/logging.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/ticker.h"
#include "server/tokens.h"

namespace grpc {
class Server;
}

namespace weightinit::server {

class WeightInitService;

// Thread-safety: safe for use from several threads at once; Shutdown once.
class Server {
 public:
  // Listens on every address of the options, or on none. `logger` must outlive the server.
  // Errors: INVALID_ARGUMENT (options that do not go together, files that do not hold what they
  // should); UNAVAILABLE if an address cannot be had, naming it and the reason.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       const Logger& logger);
  // Shuts down at once if nobody has.
  ~Server();

  // Where it serves, with the port that it got instead of port 0.
  const std::vector<std::string>& addresses() const { return addresses_; }
  // Where metrics are served; empty if nowhere.
  std::string admin_address() const;
  // Threads that draw.
  int threads() const;
  // Streams that run at the moment.
  int active_streams() const;

  // "weightinit-server 0.1.0 serving weightinit.v1.WeightInitService on … (2 threads, avx512)", and
  // where metrics are.
  std::string Banner() const;

  // Health turns NOT_SERVING for every service, for good. Calls are answered as before: whoever
  // balances the load needs time to see it.
  void SetNotServing();

  // Refuses new streams, lets running ones end within `grace`, cancels those left, and closes the
  // connections. Returns when all is quiet.
  void Shutdown(std::chrono::milliseconds grace);

  // Removes the sockets of unix: addresses, as Shutdown does; for a process about to end at once.
  void RemoveSockets() const;

 private:
  Server(const ServerOptions& options, const Logger& logger);

  absl::Status ReadFiles(const ServerOptions& options);
  void StartService(const ServerOptions& options);
  absl::Status StartAdmin(const ServerOptions& options);
  void StartTicker(const ServerOptions& options, const Logger& logger);
  void WatchFiles(const Logger& logger);

  // Until no stream runs and the last bytes have had time to leave, or until `end`.
  void WaitForStreams(std::chrono::steady_clock::time_point end) const;

  std::vector<std::string> addresses_;
  std::atomic<bool> is_serving_{true};  // until it is to stop
  std::atomic<bool> has_files_{true};   // enough of them for further connections
  AccessLog access_log_;
  const std::unique_ptr<Metrics> metrics_;      // nullptr: no one asks
  std::unique_ptr<Certificates> certificates_;  // nullptr: no TLS
  std::unique_ptr<Tokens> tokens_;              // nullptr: no one needs one
  std::unique_ptr<WeightInitService> service_;
  std::unique_ptr<grpc::Server> server_;  // after service_: goes first
  std::unique_ptr<AdminListener> admin_;  // asks both
  std::unique_ptr<Ticker> ticker_;        // last: looks after all of the above
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_SERVER_H_
