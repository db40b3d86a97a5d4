#include "server/access_log.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "proto/convert_status.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

// Of whatever comes from outside: a line stays a line.
constexpr std::size_t kMaxValueBytes = 256;

LogLevel LevelOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return LogLevel::kError;
    case absl::StatusCode::kResourceExhausted:  // limits say which; want of memory says nothing
      return proto::DetailsOf(status).reason.empty() && FieldViolations(status).empty()
                 ? LogLevel::kError
                 : LogLevel::kDebug;
    default:  // what callers do wrong, or that they left, is theirs to see
      return LogLevel::kDebug;
  }
}

std::string_view MetadataOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

// gRPC escapes a peer's address as a URI: "ipv4:127.0.0.1:34760", "ipv6:%5B::1%5D:40080".
std::string Decoded(std::string_view uri) {
  std::string text;
  for (std::size_t i = 0; i < uri.size(); ++i) {
    const std::string_view rest = uri.substr(i);
    if (rest.starts_with("%5B") || rest.starts_with("%5D")) {
      text += rest[2] == 'B' ? '[' : ']';
      i += 2;
    } else {
      text += uri[i];
    }
  }
  return text;
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

std::optional<TraceParent> ParseTraceParent(std::string_view text) {
  constexpr std::size_t kSize = 55;
  const bool has_form = text.size() == kSize && text.starts_with("00-") && text[35] == '-' &&
                        text[52] == '-' && IsHex(text.substr(3, 32)) &&
                        IsHex(text.substr(36, 16)) && IsHex(text.substr(53, 2));
  if (!has_form) return std::nullopt;
  return TraceParent{std::string(text.substr(3, 32)), std::string(text.substr(36, 16))};
}

void AccessLog::OnEnd(const EndedCall& call) {
  const LogLevel own = LevelOf(call.status);
  const LogLevel level = all_ ? std::max(own, LogLevel::kInfo) : own;
  if (!logger_.Writes(level)) return;

  const auto short_of = [](std::string_view text) {
    return std::string(proto::Utf8Prefix(text, kMaxValueBytes));
  };
  std::vector<LogField> fields = {{"method", Name(call.method)}, {"peer", Decoded(call.peer)}};
  if (!call.client.empty()) fields.emplace_back("client", short_of(call.client));
  if (const auto id = MetadataOf(call.context, "x-request-id"); !id.empty()) {
    fields.emplace_back("request_id", short_of(id));
  }
  if (const auto trace = ParseTraceParent(MetadataOf(call.context, "traceparent"))) {
    fields.emplace_back("trace_id", trace->trace_id);
    fields.emplace_back("parent_id", trace->parent_id);
  }
  if (call.facts.selections > 0) {
    fields.emplace_back("tensor", short_of(call.facts.tensor));
    fields.emplace_back("tensors", call.facts.selections);
  }
  fields.emplace_back("bytes", call.facts.bytes);
  fields.emplace_back("seconds", std::chrono::duration<double>(call.time).count());
  fields.emplace_back("code", absl::StatusCodeToString(call.status.code()));
  if (!call.status.ok()) fields.emplace_back("text", short_of(std::string(call.status.message())));
  logger_.Log(level, "call ended", fields);
}

}  // namespace weightinit::server
