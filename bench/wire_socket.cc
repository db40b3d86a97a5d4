#include "bench/wire_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace weightinit::bench {
namespace {

int Must(int result, const char* what) {
  if (result >= 0) return result;
  std::perror(what);
  std::exit(1);
}

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Address Parse(const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  Address address;
  if (text.starts_with(kUnix)) {
    auto& local = reinterpret_cast<sockaddr_un&>(address.bytes);
    local.sun_family = AF_UNIX;
    text.substr(kUnix.size()).copy(local.sun_path, sizeof local.sun_path - 1);
    address.size = sizeof local;
  } else {
    auto& inet = reinterpret_cast<sockaddr_in&>(address.bytes);
    const std::size_t colon = text.rfind(':');
    inet.sin_family = AF_INET;
    inet.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
    inet_pton(AF_INET, text.substr(0, colon).c_str(), &inet.sin_addr);
    address.size = sizeof inet;
  }
  return address;
}

}  // namespace

StreamSocket StreamSocket::Listen(const std::string& text) {
  const Address address = Parse(text);
  StreamSocket made(
      Must(socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  Must(bind(made.fd_, address.get(), address.size), "bind");
  Must(listen(made.fd_, SOMAXCONN), "listen");
  return made;
}

StreamSocket StreamSocket::Connect(const std::string& text) {
  const Address address = Parse(text);
  StreamSocket made(
      Must(socket(address.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  Must(connect(made.fd_, address.get(), address.size), "connect");
  return made;
}

StreamSocket::~StreamSocket() {
  if (fd_ >= 0) close(fd_);
}

StreamSocket::StreamSocket(StreamSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

StreamSocket StreamSocket::Accept() const {
  return StreamSocket(Must(accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC), "accept"));
}

int StreamSocket::port() const {
  sockaddr_in name{};
  socklen_t size = sizeof name;
  Must(getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size), "getsockname");
  return ntohs(name.sin_port);
}

bool StreamSocket::Send(std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool StreamSocket::Receive(std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t received = recv(fd_, bytes.data(), bytes.size(), 0);
    if (received <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(received));
  }
  return true;
}

}  // namespace weightinit::bench
