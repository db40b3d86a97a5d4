#include "server/refusals.h"

#include <algorithm>
#include <chrono>

#include "proto/convert_status.h"

namespace weightinit::server {
namespace {

// The first stream to end makes room; asking much sooner only adds load.
constexpr std::chrono::milliseconds kBusyRetryDelay{1000};

}  // namespace

absl::Status Busy(const std::string& what, const std::string& limit, std::int64_t value) {
  return Busy(what, limit, value, FlagOf(limit));
}

absl::Status Busy(const std::string& what, const std::string& limit, std::int64_t value,
                  const std::string& flag) {
  return proto::WithDetails(
      absl::ResourceExhaustedError(what + "; try again later, or raise " + flag),
      {.reason = std::string(proto::kServerBusy),
       .metadata = {{"limit", limit}, {"value", std::to_string(value)}, {"flag", flag}},
       .retry_delay = kBusyRetryDelay});
}

absl::Status Unauthenticated() {
  return absl::UnauthenticatedError(
      "this server wants a token that it knows, as `authorization: Bearer TOKEN`; `weightinit "
      "--token-file FILE` sends one");
}

absl::Status ReaderIsStuck() {
  return proto::WithDetails(
      absl::AbortedError("the reader took nothing for --stream-idle-timeout"),
      {.reason = {}, .metadata = {{"limit", "stream_idle_timeout"}}, .retry_delay = {}});
}

absl::Status Draining() {
  return proto::WithDetails(
      absl::UnavailableError("this server is about to stop; another takes the call"),
      {.reason = std::string(proto::kDraining), .metadata = {}, .retry_delay = kBusyRetryDelay});
}

std::string FlagOf(const std::string& limit) {
  std::string flag = "--" + limit;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

}  // namespace weightinit::server
