// Plain stream sockets, to compare with.
#ifndef WEIGHTINIT_BENCH_WIRE_SOCKET_H_
#define WEIGHTINIT_BENCH_WIRE_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace weightinit::bench {

// A connected or listening socket; closes itself. Errors end the program: it only measures.
class StreamSocket {
 public:
  // `address` is "127.0.0.1:PORT" (port 0 takes a free one) or "unix:PATH".
  static StreamSocket Listen(const std::string& address);
  static StreamSocket Connect(const std::string& address);
  ~StreamSocket();
  StreamSocket(StreamSocket&& other) noexcept;
  StreamSocket& operator=(StreamSocket&&) = delete;

  StreamSocket Accept() const;
  int port() const;  // of a listening TCP socket

  // False if the peer has closed.
  bool Send(std::span<const std::byte> bytes) const;
  bool Receive(std::span<std::byte> bytes) const;

 private:
  explicit StreamSocket(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace weightinit::bench

#endif  // WEIGHTINIT_BENCH_WIRE_SOCKET_H_
