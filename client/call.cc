#include "client/call.h"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "client/printable.h"
#include "proto/convert_status.h"

namespace weightinit::client {
namespace {

// A request of more than twice the server's limit is not read: gRPC refuses it, in its own words,
// "Received message larger than max (14573 vs. 8192)". Empty: `text` is another.
std::string TooLarge(std::string_view text) {
  constexpr std::string_view kBegin = "Received message larger than max (", kMiddle = " vs. ";
  const std::size_t middle = text.find(kMiddle), end = text.find(')');
  if (!text.starts_with(kBegin) || middle >= end) return "";
  const auto part = [&](std::size_t from, std::size_t to) {
    return Printable(text.substr(from, to - from));
  };
  return "the request has " + part(kBegin.size(), middle) + " bytes; the server reads up to " +
         part(middle + kMiddle.size(), end) + ", twice its --max-request-bytes";
}

}  // namespace

Call::Call(const Deadline& deadline, std::stop_token stop)
    : stop_(std::move(stop)), canceller_(stop_, [this] { context_.TryCancel(); }) {
  if (!deadline.has_value()) return;
  // gRPC takes a time of day, and counts down from it at once.
  using std::chrono::steady_clock, std::chrono::system_clock;
  context_.set_deadline(system_clock::now() + std::chrono::duration_cast<system_clock::duration>(
                                                  *deadline - steady_clock::now()));
}

absl::Status Call::Result(const grpc::Status& status, const std::string& target) const {
  if (status.ok()) return absl::OkStatus();
  if (stop_.stop_requested()) return absl::CancelledError("interrupted");
  absl::Status error = proto::FromGrpcStatus(status);
  // The library's refusals speak for themselves. What broke on the way needs to say where.
  switch (error.code()) {
    case absl::StatusCode::kResourceExhausted: {
      const std::string text = TooLarge(status.error_message());
      return text.empty() ? error : absl::Status(error.code(), target + ": " + text);
    }
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
      return proto::WithDetails(
          absl::Status(error.code(), target + ": " + Printable(status.error_message())),
          proto::DetailsOf(error));
    default:
      return error;
  }
}

}  // namespace weightinit::client
