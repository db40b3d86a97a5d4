// Lines on standard error: for people as text, for machines as one JSON object each.
#ifndef WEIGHTINIT_SERVER_LOGGING_H_
#define WEIGHTINIT_SERVER_LOGGING_H_

#include <concepts>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/options.h"

namespace spdlog {
class logger;
}

namespace weightinit::server {

// A fact beside the message. Values come from outside, so they are always escaped.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(text) {}
  template <typename T>
  requires std::integral<T> LogField(std::string_view name, T number)
      : key(name), value(std::to_string(number)), is_number(true) {}
  // REQUIRES: finite
  LogField(std::string_view name, double number);

  std::string_view key;
  std::string value;
  bool is_number = false;
};

// Thread-safety: safe for use from several threads at once.
class Logger {
 public:
  Logger(LogFormat format, LogLevel level);
  ~Logger();

  // One line. `message` is a constant of the program; whatever comes from outside is a field.
  void Log(LogLevel level, std::string_view message,
           std::initializer_list<LogField> fields = {}) const {
    Log(level, message, std::span(fields.begin(), fields.size()));
  }
  void Log(LogLevel level, std::string_view message, std::span<const LogField> fields) const;

  // Whether lines of this level are written.
  bool Writes(LogLevel level) const;

  // The line that says what is served and where. As text it stands alone, without time or level.
  void Announce(std::string_view line, std::initializer_list<LogField> fields) const;

 private:
  const LogFormat format_;
  std::shared_ptr<spdlog::logger> out_;
};

// "…" as in JSON: quotes and control characters escaped, bytes that are not UTF-8 replaced.
std::string JsonQuoted(std::string_view text);

// One line without its end.
std::string FormatLine(LogFormat format, std::string_view time, LogLevel level,
                       std::string_view message, std::span<const LogField> fields);
inline std::string FormatLine(LogFormat format, std::string_view time, LogLevel level,
                              std::string_view message, std::initializer_list<LogField> fields) {
  return FormatLine(format, time, level, message, std::span(fields.begin(), fields.size()));
}

// gRPC's own lines go to `logger` from now on, which must live as long as the process; nullptr
// drops them. `watch` sees each before, on whatever thread; nullptr: none. gRPC has one such target
// per process.
void RouteGrpcLog(const Logger* logger, void (*watch)(std::string_view) = nullptr);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_LOGGING_H_
