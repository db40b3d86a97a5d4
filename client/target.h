// Where a server is, or several that answer alike: what --server takes.
//
// Thread-safety: pure functions and values.
#ifndef WEIGHTINIT_CLIENT_TARGET_H_
#define WEIGHTINIT_CLIENT_TARGET_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace weightinit::client {

struct Target {
  std::string uri;              // as gRPC takes it
  bool may_be_several = false;  // addresses are listed, or looked up
  bool stays_here = false;      // what is sent to it does not leave this machine
};

// "host:port", "10.0.0.1:50051,10.0.0.2:50051", "[::1]:50051,[::2]:50051", and gRPC's own
// "dns:///name:port", "ipv4:a:p,b:p", "ipv6:[a]:p,[b]:p", "unix:/path", "unix-abstract:name".
// "host:port" is one server, or a proxy that knows of several. Errors: INVALID_ARGUMENT for
// anything else, which gRPC would look up as a name for as long as it is let; also for lists of
// names, of which gRPC looks up one, for a unix socket in a list, and for a name without a port.
absl::StatusOr<Target> ParseTarget(std::string_view text);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_TARGET_H_
