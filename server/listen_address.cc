#include "server/listen_address.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

namespace weightinit::server {
namespace {

constexpr std::string_view kUnix = "unix:";

// A file descriptor that closes itself.
class Socket {
 public:
  Socket(int domain, int type) : fd_(socket(domain, type | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

std::string ErrorText(int error) { return std::generic_category().message(error); }

std::optional<unsigned> Number(const std::string& text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

struct HostPort {
  std::string host, port;
};

std::optional<HostPort> SplitHostPort(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  HostPort parts{std::string(address.substr(0, colon)), std::string(address.substr(colon + 1))};
  const bool is_number = !parts.port.empty() && parts.port.size() <= 5 &&
                         parts.port.find_first_not_of("0123456789") == std::string::npos;
  if (!is_number || std::stoi(parts.port) > 65535) return std::nullopt;
  const bool has_brackets = parts.host.front() == '[' && parts.host.back() == ']';
  if (has_brackets) {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  } else if (parts.host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets: which colon is it?
  }
  return parts;
}

}  // namespace

std::optional<std::string> UnixSocketPath(std::string_view address) {
  if (!address.starts_with(kUnix)) return std::nullopt;
  std::string_view path = address.substr(kUnix.size());
  if (path.starts_with("///")) path.remove_prefix(2);
  return std::string(path);
}

std::string WithPort(std::string_view address, int port) {
  if (UnixSocketPath(address)) return std::string(address);
  return std::string(address.substr(0, address.rfind(':') + 1)) + std::to_string(port);
}

absl::Status CheckListenAddress(std::string_view address) {
  const std::optional<std::string> path = UnixSocketPath(address);
  const bool is_valid = path ? !path->empty() && path->size() < sizeof(sockaddr_un::sun_path)
                             : SplitHostPort(address).has_value();
  if (is_valid) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--listen: '" + std::string(address) +
      "' is not HOST:PORT (an IPv6 address in brackets) or unix:PATH (at most 107 bytes)");
}

bool IsLocal(std::string_view address) {
  if (UnixSocketPath(address)) return true;
  const std::optional<HostPort> parts = SplitHostPort(address);
  if (!parts) return false;
  in_addr four{};
  in6_addr six{};
  if (inet_pton(AF_INET, parts->host.c_str(), &four) == 1) {
    return ntohl(four.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  if (inet_pton(AF_INET6, parts->host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return parts->host == "localhost";
}

absl::StatusOr<SocketFileRights> ParseSocketFileRights(const std::string& mode,
                                                       const std::string& owner) {
  SocketFileRights rights;
  if (!mode.empty()) {
    const bool is_octal =
        mode.size() <= 4 && mode.find_first_not_of("01234567") == std::string::npos;
    if (!is_octal || std::stoul(mode, nullptr, 8) > 0777) {
      return absl::InvalidArgumentError("--unix-socket-mode: '" + mode +
                                        "' is not an octal number up to 0777");
    }
    rights.mode = static_cast<unsigned>(std::stoul(mode, nullptr, 8));
  }
  const std::string user = owner.substr(0, owner.find(':'));
  const std::string group = user.size() < owner.size() ? owner.substr(user.size() + 1) : "";
  const auto unknown = [](const std::string& name) {
    return absl::InvalidArgumentError("--unix-socket-owner: '" + name + "' is not known here");
  };
  if (!user.empty()) {
    const passwd* entry = getpwnam(user.c_str());
    rights.user = entry == nullptr ? Number(user) : std::optional<unsigned>(entry->pw_uid);
    if (!rights.user) return unknown(user);
  }
  if (!group.empty()) {
    const ::group* entry = getgrnam(group.c_str());
    rights.group = entry == nullptr ? Number(group) : std::optional<unsigned>(entry->gr_gid);
    if (!rights.group) return unknown(group);
  }
  return rights;
}

absl::Status SetRights(const std::string& path, const SocketFileRights& rights) {
  constexpr unsigned kSame = ~0U;
  const bool has_owner = rights.user || rights.group;
  const bool is_set = (!has_owner || chown(path.c_str(), rights.user.value_or(kSame),
                                           rights.group.value_or(kSame)) == 0) &&
                      (!rights.mode || chmod(path.c_str(), *rights.mode) == 0);
  if (is_set) return absl::OkStatus();
  return absl::UnavailableError("cannot give unix:" + path +
                                " its mode and owner: " + ErrorText(errno));
}

absl::Status CheckUnixSocketIsFree(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  struct stat file {};
  if (stat(path.c_str(), &file) == 0 && !S_ISSOCK(file.st_mode)) {
    return absl::UnavailableError("cannot listen on unix:" + path +
                                  ": there is a file that is no socket");
  }
  const Socket probe(AF_UNIX, SOCK_STREAM);
  if (connect(probe.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return absl::OkStatus();  // nothing there, or a socket that a dead process left
  }
  return absl::UnavailableError("cannot listen on unix:" + path +
                                ": another process is serving there");
}

std::string WhyNotListening(std::string_view address) {
  if (const auto path = UnixSocketPath(address)) {
    const std::string directory = path->find('/') == std::string::npos
                                      ? "."
                                      : path->substr(0, std::max<std::size_t>(path->rfind('/'), 1));
    return access(directory.c_str(), W_OK) == 0 ? "" : ErrorText(errno);
  }
  const std::optional<HostPort> parts = SplitHostPort(address);
  if (!parts) return "not HOST:PORT";
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(parts->host.c_str(), parts->port.c_str(), &hints, &found);
  if (failure != 0) return gai_strerror(failure);
  std::string why;
  for (const addrinfo* one = found; one != nullptr && why.empty(); one = one->ai_next) {
    const Socket probe(one->ai_family, SOCK_STREAM);
    const int on = 1;
    setsockopt(probe.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(probe.fd(), one->ai_addr, one->ai_addrlen) != 0 || listen(probe.fd(), 1) != 0) {
      why = ErrorText(errno);
    }
  }
  freeaddrinfo(found);
  return why;
}

}  // namespace weightinit::server
