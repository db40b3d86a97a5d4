#include "server/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>
#include <utility>

#include "weightinit/engine.h"

namespace weightinit::server {
namespace {

constexpr std::int64_t kKiB = 1 << 10;
constexpr std::int64_t kMinChunkBytes = 64 * kKiB;
constexpr std::int64_t kMaxChunkBytes = 2048 * kKiB;
constexpr std::int64_t kChunkStepBytes = 4 * kKiB;  // a page
constexpr std::int64_t kMinRequestBytes = kKiB;
// gRPC counts a message's bytes in an int, and we let it accept twice our limit.
constexpr std::int64_t kMaxRequestBytes = std::int64_t{1} << 29;

// Numbers with units
// ----------------------------------------------------------------------------

struct Unit {
  const char* name;
  std::int64_t factor;
};

// Largest first: the first that divides a number prints it.
constexpr Unit kByteUnits[] = {{"TiB", std::int64_t{1} << 40},
                               {"GiB", std::int64_t{1} << 30},
                               {"MiB", std::int64_t{1} << 20},
                               {"KiB", kKiB},
                               {"TB", 1'000'000'000'000},
                               {"GB", 1'000'000'000},
                               {"MB", 1'000'000},
                               {"kB", 1'000},
                               {"B", 1}};
constexpr Unit kTimeUnits[] = {{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

std::string Lower(std::string text) { return CLI::detail::to_lower(std::move(text)); }

// A whole number ≥ 0 with one of the units; `bare` is the factor of a number without one.
template <std::size_t N>
bool ParseWithUnit(const std::string& text, const Unit (&units)[N], std::int64_t bare,
                   std::int64_t& value) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > 18) return false;
  const std::int64_t number = std::stoll(text.substr(0, digits));
  const std::string unit = Lower(text.substr(digits));
  std::int64_t factor = 0;
  if (unit.empty()) factor = bare;
  for (const Unit& known : units) {
    if (unit == Lower(known.name)) factor = known.factor;
  }
  return factor > 0 && !__builtin_mul_overflow(number, factor, &value);
}

std::string BytesText(std::int64_t bytes) {
  if (bytes == 0) return "0";
  for (const Unit& unit : kByteUnits) {
    if (bytes % unit.factor == 0) return std::to_string(bytes / unit.factor) + unit.name;
  }
  return std::to_string(bytes);
}

std::string TimeText(std::chrono::milliseconds time) {
  if (time.count() == 0) return "0s";
  for (const Unit& unit : kTimeUnits) {
    if (time.count() % unit.factor == 0)
      return std::to_string(time.count() / unit.factor) + unit.name;
  }
  return std::to_string(time.count()) + "ms";
}

// Flags
// ----------------------------------------------------------------------------

std::string EnvironmentName(const std::string& flag) {
  std::string name = "WEIGHTINIT_" + flag.substr(2);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return name;
}

// CLI11 lets a file go before the environment. A file that does not hold what the environment says
// puts them in the order that containers expect.
class EnvironmentFirst final : public CLI::ConfigTOML {
 public:
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    std::vector<CLI::ConfigItem> kept = CLI::ConfigTOML::from_config(input);
    std::erase_if(kept, [](const CLI::ConfigItem& item) {
      const char* value = std::getenv(EnvironmentName("--" + item.name).c_str());
      return value != nullptr && *value != '\0';
    });
    return kept;
  }
};

class Flags {
 public:
  Flags(CLI::App& app, ServerOptions& options) : app_(app) {
    const ServerOptions defaults;
    CLI::Option* listen =
        Described("--listen",
                  "Where to serve: HOST:PORT or unix:PATH, repeatable or separated by "
                  "commas. Port 0 takes a free one. Loopback by default: anything wider wants "
                  "--tls-cert, or --insecure",
                  "Listening", app_.add_option("--listen", options.listen), defaults.listen[0]);
    listen->type_name("ADDRESS")->delimiter(',')->expected(1, 64);

    Text("--metrics-listen",
         "Where to serve /metrics for Prometheus, /healthz and /readyz for probes, over plain HTTP "
         "that tells nothing that must be hidden: HOST:PORT",
         "Listening", "ADDRESS", options.metrics_listen);

    Text("--unix-socket-mode", "Permissions of socket files, such as 0660 [default: the umask's]",
         "Listening", "OCTAL", options.unix_socket_mode);
    Text("--unix-socket-owner", "Owner of socket files [default: the process's]", "Listening",
         "USER:GROUP", options.unix_socket_owner);

    const std::string security = "Who may call";
    Text("--tls-cert",
         "Certificate chain; HOST:PORT addresses then speak TLS alone. Read again when it changes",
         security, "PEM", options.tls_cert);
    Text("--tls-key", "Its private key", security, "PEM", options.tls_key);
    Text("--tls-client-ca", "Clients must show a certificate that descends from one of these",
         security, "PEM", options.tls_client_ca);
    Text("--token-file",
         "Calls must bring one of these bearer tokens: a line each, NAME TOKEN [max-streams=N]. "
         "Read again when it changes. Health needs none",
         security, "FILE", options.token_file);
    Switch("--insecure", "Allow plaintext on addresses other than loopback, tokens included",
           security, options.insecure);
    Choice("--reflection", "Let clients ask for the schema; auto: unless TLS or tokens are on",
           security, options.reflection,
           {{"auto", Reflection::kAuto}, {"on", Reflection::kOn}, {"off", Reflection::kOff}});

    Number("--threads", "Threads that draw; 0: one per processor", "Resources", options.threads, 0,
           4096);
    Bytes("--chunk-bytes", "Values per message, 64KiB to 2MiB in steps of 4KiB", "Resources",
          options.chunk_bytes, kMinChunkBytes, kMaxChunkBytes, kChunkStepBytes);
    Number("--chunks-ahead", "Chunks that a stream draws before they can be sent", "Resources",
           options.chunks_ahead, 1, 64);
    Bytes(
        "--cache-bytes",
        "Matrices kept for further chunks and slices of orthogonal, delta_orthogonal and sparse "
        "tensors, and besides the last one that is larger; also states of torch_cpu's streams; 0: "
        "none, each chunk makes its own",
        "Resources", options.cache_bytes, 0);
    Bytes("--recipe-cache-bytes", "Resolved recipes kept for requests by fingerprint; 0: none",
          "Resources", options.recipe_cache_bytes, 0);

    const std::string limits = "Limits (beyond them: RESOURCE_EXHAUSTED)";
    Number("--max-streams", "Streams at one time, over all connections", limits,
           options.max_streams, 1, 1'000'000);
    Number("--max-streams-per-peer",
           "Streams of one token's name, client certificate or address; 0: any number", limits,
           options.max_streams_per_peer, 0, 1'000'000);
    Number("--max-calls-per-second", "Calls of one such peer; 0: any number", limits,
           options.max_calls_per_second, 0, 1'000'000);
    Bytes("--max-stream-bytes",
          "Memory for the chunks of all streams together; each is promised chunks-ahead + 2",
          limits, options.max_stream_bytes, 0);
    Bytes("--max-request-bytes",
          "A request's size. Beyond twice this, gRPC refuses in words of its own", limits,
          options.max_request_bytes, kMinRequestBytes, kMaxRequestBytes);
    Number("--max-tensors", "Tensors of a recipe", limits, options.max_tensors, 1, 1'000'000'000);
    Number("--max-rules", "Rules of a recipe, and renames", limits, options.max_rules, 0,
           1'000'000'000);
    Time("--stream-idle-timeout",
         "A stream whose reader takes nothing for so long is cut off; 0: never", limits,
         options.stream_idle_timeout);
    Bytes("--max-response-bytes", "What one request may ask for, not counting what it leaves out",
          limits, options.limits.max_response_bytes, 0);
    Bytes("--max-matrix-bytes",
          "Memory to make a matrix that any part needs whole: orthogonal and delta_orthogonal, "
          "about 12 "
          "bytes per element, and sparse",
          limits, options.limits.max_matrix_bytes, 0);

    Time("--drain-delay",
         "From SIGTERM, when health turns NOT_SERVING, until no more calls are accepted: at least "
         "the readiness period and the time that endpoints take to spread",
         "Stopping", options.drain_delay);
    Time("--shutdown-grace", "How long running streams may then take to end", "Stopping",
         options.shutdown_grace);

    Choice("--log-format", "text for people, json for machines: one object per line", "Logs",
           options.log_format, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
    Choice("--log-level", "The least severe lines that are written", "Logs", options.log_level,
           {{"debug", LogLevel::kDebug},
            {"info", LogLevel::kInfo},
            {"warn", LogLevel::kWarn},
            {"error", LogLevel::kError}});
    Switch("--log-calls", "A line of level info for every call; else that takes level debug",
           "Logs", options.log_calls);
  }

 private:
  CLI::Option* Described(const std::string& flag, const std::string& description,
                         const std::string& group, CLI::Option* option,
                         const std::string& default_text) {
    return option->description(description)
        ->group(group)
        ->envname(EnvironmentName(flag))
        ->default_str(default_text);
  }

  void Number(const std::string& flag, const std::string& description, const std::string& group,
              int& value, int low, int high) {
    Described(flag, description, group, app_.add_option(flag, value), std::to_string(value))
        ->check(CLI::Range(low, high).description(""))
        ->type_name("N");
  }

  void Text(const std::string& flag, const std::string& description, const std::string& group,
            const std::string& type_name, std::string& value) {
    Described(flag, description, group, app_.add_option(flag, value), value)->type_name(type_name);
  }

  void Switch(const std::string& flag, const std::string& description, const std::string& group,
              bool& value) {
    Described(flag, description, group, app_.add_flag(flag, value), value ? "true" : "false");
  }

  CLI::Option* Bytes(const std::string& flag, const std::string& description,
                     const std::string& group, std::int64_t& value, std::int64_t low,
                     std::int64_t high = std::numeric_limits<std::int64_t>::max(),
                     std::int64_t step = 1) {
    const auto read = [flag, &value, low, high, step](const CLI::results_t& texts) {
      std::int64_t bytes = 0;
      if (!ParseWithUnit(texts.back(), kByteUnits, 1, bytes)) {
        throw CLI::ValidationError(
            flag, "'" + texts.back() + "' is not a size, such as 65536, 64KiB or 2TiB");
      }
      if (bytes < low || bytes > high) {
        throw CLI::ValidationError(
            flag, texts.back() + " is outside " + BytesText(low) + " to " + BytesText(high));
      }
      if (bytes % step != 0) {
        throw CLI::ValidationError(flag, texts.back() + " is not a multiple of " + BytesText(step));
      }
      value = bytes;
      return true;
    };
    return Described(flag, description, group, app_.add_option(flag, read), BytesText(value))
        ->type_name("SIZE");
  }

  void Time(const std::string& flag, const std::string& description, const std::string& group,
            std::chrono::milliseconds& value) {
    // A day: more is a mistake, and far from overflowing any clock.
    constexpr std::int64_t kMaxMilliseconds = 86'400'000;
    const auto read = [flag, &value](const CLI::results_t& texts) {
      std::int64_t milliseconds = 0;
      if (!ParseWithUnit(texts.back(), kTimeUnits, 1000, milliseconds) ||
          milliseconds > kMaxMilliseconds) {
        throw CLI::ValidationError(
            flag, "'" + texts.back() + "' is not a time of at most 24h, such as 5, 300ms or 2m");
      }
      value = std::chrono::milliseconds(milliseconds);
      return true;
    };
    Described(flag, description, group, app_.add_option(flag, read), TimeText(value))
        ->type_name("TIME");
  }

  template <typename T>
  void Choice(const std::string& flag, const std::string& description, const std::string& group,
              T& value, const std::vector<std::pair<std::string, T>>& choices) {
    std::string names, default_name;
    for (const auto& [name, choice] : choices) {
      names += (names.empty() ? "" : "|") + name;
      if (choice == value) default_name = name;
    }
    const auto read = [flag, names, choices, &value](const CLI::results_t& texts) {
      for (const auto& [name, choice] : choices) {
        if (Lower(texts.back()) != name) continue;
        value = choice;
        return true;
      }
      throw CLI::ValidationError(flag, "'" + texts.back() + "' is none of " + names);
    };
    Described(flag, description, group, app_.add_option(flag, read), default_name)
        ->type_name(names);
  }

  CLI::App& app_;
};

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

// What --config reads back.
std::string ConfigText(const ServerOptions& options) {
  std::ostringstream text;
  text << "listen=[";
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    text << (i == 0 ? "" : ", ") << Quoted(options.listen[i]);
  }
  text << "]\n"
       << "metrics-listen=" << Quoted(options.metrics_listen) << "\n"
       << "unix-socket-mode=" << Quoted(options.unix_socket_mode) << "\n"
       << "unix-socket-owner=" << Quoted(options.unix_socket_owner) << "\n"
       << "tls-cert=" << Quoted(options.tls_cert) << "\n"
       << "tls-key=" << Quoted(options.tls_key) << "\n"
       << "tls-client-ca=" << Quoted(options.tls_client_ca) << "\n"
       << "token-file=" << Quoted(options.token_file) << "\n"
       << "insecure=" << (options.insecure ? "true" : "false") << "\n"
       << "reflection="
       << Quoted(options.reflection == Reflection::kOn    ? "on"
                 : options.reflection == Reflection::kOff ? "off"
                                                          : "auto")
       << "\n"
       << "threads=" << options.threads << "\n"
       << "chunk-bytes=" << Quoted(BytesText(options.chunk_bytes)) << "\n"
       << "chunks-ahead=" << options.chunks_ahead << "\n"
       << "cache-bytes=" << Quoted(BytesText(options.cache_bytes)) << "\n"
       << "recipe-cache-bytes=" << Quoted(BytesText(options.recipe_cache_bytes)) << "\n"
       << "max-streams=" << options.max_streams << "\n"
       << "max-streams-per-peer=" << options.max_streams_per_peer << "\n"
       << "max-calls-per-second=" << options.max_calls_per_second << "\n"
       << "max-stream-bytes=" << Quoted(BytesText(options.max_stream_bytes)) << "\n"
       << "max-request-bytes=" << Quoted(BytesText(options.max_request_bytes)) << "\n"
       << "max-tensors=" << options.max_tensors << "\n"
       << "max-rules=" << options.max_rules << "\n"
       << "stream-idle-timeout=" << Quoted(TimeText(options.stream_idle_timeout)) << "\n"
       << "max-response-bytes=" << Quoted(BytesText(options.limits.max_response_bytes)) << "\n"
       << "max-matrix-bytes=" << Quoted(BytesText(options.limits.max_matrix_bytes)) << "\n"
       << "drain-delay=" << Quoted(TimeText(options.drain_delay)) << "\n"
       << "shutdown-grace=" << Quoted(TimeText(options.shutdown_grace)) << "\n"
       << "log-format=" << Quoted(options.log_format == LogFormat::kJson ? "json" : "text") << "\n"
       << "log-level="
       << Quoted(options.log_level == LogLevel::kDebug  ? "debug"
                 : options.log_level == LogLevel::kInfo ? "info"
                 : options.log_level == LogLevel::kWarn ? "warn"
                                                        : "error")
       << "\n"
       << "log-calls=" << (options.log_calls ? "true" : "false") << "\n";
  return text.str();
}

std::vector<std::string> UnknownEnvironment(const CLI::App& app) {
  // The file's, the library's and the client's.
  std::set<std::string> known = {"WEIGHTINIT_CONFIG", "WEIGHTINIT_SIMD", "WEIGHTINIT_SERVER"};
  for (const CLI::Option* option : app.get_options()) known.insert(option->get_envname());
  std::vector<std::string> unknown;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string name(text.substr(0, text.find('=')));
    if (name.starts_with("WEIGHTINIT_") && !known.contains(name)) unknown.push_back(name);
  }
  return unknown;
}

std::string ErrorText(const CLI::Error& error) {
  constexpr std::string_view kUnknownInFile = "INI was not able to parse ";
  const std::string_view what = error.what();
  if (!what.starts_with(kUnknownInFile)) return std::string(what);
  return "--config: no flag has the name '" + std::string(what.substr(kUnknownInFile.size())) + "'";
}

std::variant<ServerOptions, ExitNow> Parse(int argc, const char* const* argv) {
  ServerOptions options;
  CLI::App app(
      "Serves weightinit.v1.WeightInitService: any slice of any tensor of a recipe, bit for bit "
      "the "
      "same for everyone who asks.",
      "weightinit-server");
  Flags flags(app, options);

  const char* config = std::getenv("WEIGHTINIT_CONFIG");
  const bool has_config = config != nullptr && *config != '\0';
  app.set_config("--config", has_config ? config : "",
                 "File with any of these, one `max-streams = 8` per line (TOML) "
                 "(Env:WEIGHTINIT_CONFIG)",
                 /*config_required=*/has_config);
  app.config_formatter(std::make_shared<EnvironmentFirst>());
  app.allow_config_extras(CLI::config_extras_mode::error);
  bool print_config = false;
  app.add_flag("--print-config", print_config,
               "Print what would hold, in the form that --config reads, and exit")
      ->configurable(false);
  app.set_version_flag("--version", "weightinit-server " + std::string(Version()),
                       "Print the version and exit");
  app.footer(
      "A flag goes before its environment variable, and that before the file of --config.\n"
      "Exit status: 0 stopped as asked, 1 could not serve, went deaf, or stopped by a second "
      "signal, "
      "2 bad flags.");
  app.get_formatter()->column_width(36);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    return ExitNow{0, std::string(version.what()) + "\n"};
  } catch (const CLI::Success&) {
    return ExitNow{0, app.help()};
  } catch (const CLI::Error& error) {
    return ExitNow{
        2, "weightinit-server: " + ErrorText(error) + "\nTry `weightinit-server --help`.\n"};
  }
  const std::int64_t one_stream = options.chunks_per_stream() * options.chunk_bytes;
  if (options.max_stream_bytes < one_stream) {
    return ExitNow{2,
                   "weightinit-server: --max-stream-bytes: " + BytesText(options.max_stream_bytes) +
                       " is less than one stream needs, " + BytesText(one_stream) +
                       ": --chunks-ahead + 2 times --chunk-bytes\n"
                       "Try `weightinit-server --help`.\n"};
  }
  if (print_config) return ExitNow{0, ConfigText(options)};
  options.unknown_environment = UnknownEnvironment(app);
  return options;
}

}  // namespace

std::variant<ServerOptions, ExitNow> ParseOptions(int argc, const char* const* argv) {
  try {
    return Parse(argc, argv);
  } catch (const std::exception& error) {  // CLI11 reports by exceptions; none leaves this file
    return ExitNow{2, "weightinit-server: " + std::string(error.what()) + "\n"};
  }
}

}  // namespace weightinit::server
