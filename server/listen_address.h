// Addresses to listen on: what gRPC will not say about them.
#ifndef WEIGHTINIT_SERVER_LISTEN_ADDRESS_H_
#define WEIGHTINIT_SERVER_LISTEN_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace weightinit::server {

// The path of "unix:PATH" or "unix:///PATH"; nullopt for anything else.
std::optional<std::string> UnixSocketPath(std::string_view address);

// "host:0" with the port that it got. Other addresses stay as they are.
std::string WithPort(std::string_view address, int port);

// INVALID_ARGUMENT unless it is "HOST:PORT" or "unix:PATH".
absl::Status CheckListenAddress(std::string_view address);

// Whether only this machine reaches it: a unix socket, 127.0.0.0/8, [::1] or localhost.
bool IsLocal(std::string_view address);

// Permissions and owner of socket files, from the text of flags.
struct SocketFileRights {
  std::optional<unsigned> mode;
  std::optional<unsigned> user, group;
};
// `mode` in octal digits, `owner` as USER, USER:GROUP or :GROUP, by name or number; empty: none.
// Errors: INVALID_ARGUMENT.
absl::StatusOr<SocketFileRights> ParseSocketFileRights(const std::string& mode,
                                                       const std::string& owner);
// Errors: UNAVAILABLE, with the system's reason.
absl::Status SetRights(const std::string& path, const SocketFileRights& rights);

// gRPC removes whatever socket stands in its way, also one that another server is serving on, and
// does not say why it leaves other files. UNAVAILABLE if something answers there, or is no socket.
absl::Status CheckUnixSocketIsFree(const std::string& path);

// Why nothing can listen on a TCP address, in the system's words: found by trying. Empty if it
// works (by now).
std::string WhyNotListening(std::string_view address);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_LISTEN_ADDRESS_H_
