#include "server/logging.h"

#include <grpc/support/log.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>

#include "proto/convert_status.h"

namespace weightinit::server {
namespace {

std::string_view NameOf(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarn:
      return "warn";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarn:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// UTC with milliseconds, RFC 3339.
std::string Now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(milliseconds));
  return text;
}

// Whether a value can stand in a text line without quotes.
bool IsPlain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c == 0x7f || (c & 0x80) != 0) return false;
  }
  return true;
}

// gRPC's callback carries no pointer of ours, so that these cannot stand elsewhere.
struct GrpcTarget {
  std::atomic<const Logger*> logger{nullptr};
  std::atomic<void (*)(std::string_view)> watch{nullptr};
};
GrpcTarget& TheGrpcTarget() {
  static GrpcTarget target;
  return target;
}

void ForwardGrpcLine(gpr_log_func_args* args) {
  if (const auto watch = TheGrpcTarget().watch.load(); watch != nullptr) watch(args->message);
  const Logger* logger = TheGrpcTarget().logger.load();
  if (logger == nullptr) return;
  const LogLevel level = args->severity == GPR_LOG_SEVERITY_ERROR  ? LogLevel::kWarn
                         : args->severity == GPR_LOG_SEVERITY_INFO ? LogLevel::kInfo
                                                                   : LogLevel::kDebug;
  logger->Log(level, "grpc", {{"text", args->message}});
}

}  // namespace

Logger::Logger(LogFormat format, LogLevel level)
    : format_(format),
      out_(std::make_shared<spdlog::logger>("weightinit",
                                            std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  out_->set_pattern("%v");  // lines come finished: spdlog would not escape what is in them
  out_->set_level(SpdlogLevel(level));
  out_->flush_on(spdlog::level::debug);
}

Logger::~Logger() = default;

LogField::LogField(std::string_view name, double number) : key(name), is_number(true) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  value = text;
}

bool Logger::Writes(LogLevel level) const { return out_->should_log(SpdlogLevel(level)); }

void Logger::Log(LogLevel level, std::string_view message, std::span<const LogField> fields) const {
  if (!Writes(level)) return;
  const std::string line = FormatLine(format_, Now(), level, message, fields);
  out_->log(SpdlogLevel(level), spdlog::string_view_t(line));
}

void Logger::Announce(std::string_view line, std::initializer_list<LogField> fields) const {
  const std::string text = format_ == LogFormat::kText
                               ? std::string(line)
                               : FormatLine(format_, Now(), LogLevel::kInfo, line, fields);
  // Whoever starts the server waits for this line, whatever the level.
  out_->log(spdlog::level::critical, spdlog::string_view_t(text));
}

std::string JsonQuoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  const std::string valid = proto::ValidUtf8(text);
  std::string quoted = "\"";
  for (std::size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    const auto byte = static_cast<unsigned char>(c);
    // U+0080 to U+009F: control characters that some terminals obey.
    const bool is_c1 = byte == 0xC2 && static_cast<unsigned char>(valid[i + 1]) < 0xA0;
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (byte < 0x20 || byte == 0x7f || is_c1) {
      const auto code = is_c1 ? static_cast<unsigned char>(valid[++i]) : byte;
      quoted += "\\u00";
      quoted += kHex[code >> 4];
      quoted += kHex[code & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string FormatLine(LogFormat format, std::string_view time, LogLevel level,
                       std::string_view message, std::span<const LogField> fields) {
  std::string line;
  if (format == LogFormat::kJson) {
    line = "{\"time\":" + JsonQuoted(time) + ",\"level\":" + JsonQuoted(NameOf(level)) +
           ",\"message\":" + JsonQuoted(message);
    for (const LogField& field : fields) {
      line += "," + JsonQuoted(field.key) + ":" +
              (field.is_number ? field.value : JsonQuoted(field.value));
    }
    return line + "}";
  }
  line = std::string(time) + " " + std::string(NameOf(level)) + " " + std::string(message);
  for (const LogField& field : fields) {
    line += " " + std::string(field.key) + "=" +
            (IsPlain(field.value) ? field.value : JsonQuoted(field.value));
  }
  return line;
}

void RouteGrpcLog(const Logger* logger, void (*watch)(std::string_view)) {
  TheGrpcTarget().logger.store(logger);
  TheGrpcTarget().watch.store(watch);
  gpr_set_log_function(&ForwardGrpcLine);
}

}  // namespace weightinit::server
