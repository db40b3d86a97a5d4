#include "client/retry.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "absl/strings/string_view.h"
#include "proto/convert_status.h"

namespace weightinit::client {
namespace {

constexpr std::chrono::milliseconds kPoll{50};  // gRPC's wait knows of no stop

// Whether a server that had a call is gone with it. Before anything came, other codes are more
// likely to be what is said to everyone; so is what a proxy says that finds no server behind it, in
// the words that gRPC has for that.
bool IsGone(const absl::Status& status) {
  const bool is_proxys =
      status.message().find("http2 header with status") != absl::string_view::npos;
  return (absl::IsUnavailable(status) && !is_proxys) || absl::IsCancelled(status);
}

}  // namespace

bool IsBroken(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return proto::DetailsOf(status).reason.empty();
    default:
      return false;
  }
}

bool IsBusy(const absl::Status& status) {
  return proto::DetailsOf(status).reason == proto::kServerBusy;
}

bool IsNotServing(const absl::Status& status) {
  // The words of gRPC's health check of connections.
  return absl::IsUnavailable(status) &&
         status.message().find("backend unhealthy") != absl::string_view::npos;
}

bool IsConnected(grpc::Channel& channel, const Deadline& deadline, const std::stop_token& stop) {
  for (;;) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
    if (stop.stop_requested()) return false;
    if (deadline.has_value() && std::chrono::steady_clock::now() >= *deadline) return false;
    channel.WaitForStateChange(state, std::chrono::system_clock::now() + kPoll);
  }
}

std::optional<std::chrono::milliseconds> DelayAfter(const absl::Status& status, Reached reached,
                                                    Backoff& backoff) {
  const auto asked = proto::DetailsOf(status).retry_delay;
  const bool is_break = IsBroken(status) && (reached == Reached::kValues ||
                                             (reached == Reached::kServer && IsGone(status)));
  if (!asked.has_value() && !is_break) return std::nullopt;
  return backoff.Next(Backoff::Clock::now(), asked.value_or(std::chrono::milliseconds(0)));
}

std::chrono::steady_clock::time_point EndOf(std::chrono::milliseconds delay,
                                            const Deadline& deadline) {
  const auto end = std::chrono::steady_clock::now() + delay;
  return deadline.has_value() ? std::min(end, *deadline) : end;
}

bool WaitToRetry(grpc::Channel& channel, const absl::Status& status,
                 std::chrono::milliseconds delay, const Deadline& deadline,
                 const std::stop_token& stop) {
  const auto end = EndOf(delay, deadline);
  const bool is_asked_for = proto::DetailsOf(status).retry_delay.has_value();
  bool was_lost = false;
  while (!stop.stop_requested()) {
    const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
    const auto now = std::chrono::steady_clock::now();
    if (now >= end || (was_lost && state == GRPC_CHANNEL_READY)) return true;
    was_lost = !is_asked_for && (was_lost || state != GRPC_CHANNEL_READY);
    // gRPC connects while somebody waits for it. With nobody there it looks every 5 seconds.
    channel.WaitForStateChange(state, std::chrono::system_clock::now() +
                                          std::min<std::chrono::nanoseconds>(end - now, kPoll));
  }
  return false;
}

Tries::Tries(grpc::Channel& channel, std::chrono::milliseconds retry_for,
             std::function<void(const absl::Status&)> on_break, Deadline deadline,
             std::stop_token stop)
    : channel_(channel),
      on_break_(std::move(on_break)),
      deadline_(deadline),
      stop_(std::move(stop)),
      backoff_(retry_for, std::random_device()()) {}

void Tries::Begin() {
  if (reached_ == Reached::kNobody && IsConnected(channel_, deadline_, stop_)) {
    reached_ = Reached::kServer;
  }
}

void Tries::Progressed() {
  reached_ = Reached::kValues;
  backoff_.Reset();
  is_told_ = false;
}

absl::Status Tries::WaitAfter(const absl::Status& status) {
  if (stop_.stop_requested()) return status;
  if (reached_ == Reached::kNobody && IsNotServing(status)) reached_ = Reached::kServer;
  const auto delay = DelayAfter(status, reached_, backoff_);
  if (!delay.has_value()) return status;
  if (on_break_ && !std::exchange(is_told_, true)) on_break_(status);
  if (WaitToRetry(channel_, status, *delay, deadline_, stop_)) return absl::OkStatus();
  return absl::CancelledError("interrupted");
}

}  // namespace weightinit::client
