// Whether a call that failed is worth another try, and when.
#ifndef WEIGHTINIT_CLIENT_RETRY_H_
#define WEIGHTINIT_CLIENT_RETRY_H_

#include <grpcpp/channel.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "absl/status/status.h"
#include "client/backoff.h"
#include "client/call.h"

namespace weightinit::client {

// How far a call, or one before it, got.
enum class Reached : std::uint8_t {
  kNobody,  // so far; most likely another address than was meant
  kServer,  // a connection stands
  kValues,  // and something came over it
};

// Whether a call ended with what a connection, a proxy or a server that stops may say. What a
// server decided has a reason.
bool IsBroken(const absl::Status& status);

// Whether the server has no room just now.
bool IsBusy(const absl::Status& status);

// Whether servers are there, but say NOT_SERVING: as good as a connection.
bool IsNotServing(const absl::Status& status);

// Waits until a connection stands or cannot be made, whatever the channel is about. A channel that
// is connected is only looked at.
bool IsConnected(grpc::Channel& channel, const Deadline& deadline, const std::stop_token& stop);

// How long to wait after what a server or the way to it said; nullopt if that was final. A busy
// server says when to come back.
std::optional<std::chrono::milliseconds> DelayAfter(const absl::Status& status, Reached reached,
                                                    Backoff& backoff);

// When a wait of `delay` ends: at the deadline at the latest.
std::chrono::steady_clock::time_point EndOf(std::chrono::milliseconds delay,
                                            const Deadline& deadline);

// Waits for the delay after `status`; if the connection broke, only until it stands again. False if
// it was stopped before.
bool WaitToRetry(grpc::Channel& channel, const absl::Status& status,
                 std::chrono::milliseconds delay, const Deadline& deadline,
                 const std::stop_token& stop);

// The tries of one call that is made by one thread: it waits for a server that is busy, and for one
// that broke after it was there.
//
// Thread-safety: for one thread.
class Tries {
 public:
  // `channel` must outlive this. `on_break`: as RemoteOptions::on_break.
  Tries(grpc::Channel& channel, std::chrono::milliseconds retry_for,
        std::function<void(const absl::Status&)> on_break, Deadline deadline, std::stop_token stop);

  // Before each: whether a connection stands decides what a failure means.
  void Begin();
  // What the last one brought need not come again: the next failure is the first.
  void Progressed();
  // After one that failed: OK once it is time for another, else what it came to.
  absl::Status WaitAfter(const absl::Status& status);

 private:
  grpc::Channel& channel_;
  const std::function<void(const absl::Status&)> on_break_;
  const Deadline deadline_;
  const std::stop_token stop_;
  Backoff backoff_;
  Reached reached_ = Reached::kNobody;
  bool is_told_ = false;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_RETRY_H_
