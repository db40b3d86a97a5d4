#include "server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace weightinit::server {
namespace {

std::variant<ServerOptions, ExitNow> Parse(std::vector<std::string> arguments) {
  std::vector<const char*> argv = {"weightinit-server"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return ParseOptions(static_cast<int>(argv.size()), argv.data());
}

ServerOptions Options(std::vector<std::string> arguments) {
  auto parsed = Parse(std::move(arguments));
  if (const auto* exit = std::get_if<ExitNow>(&parsed)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<ServerOptions>(parsed);
}

ExitNow Exit(std::vector<std::string> arguments) {
  auto parsed = Parse(std::move(arguments));
  if (std::holds_alternative<ServerOptions>(parsed)) {
    ADD_FAILURE() << "would serve";
    return {};
  }
  return std::get<ExitNow>(parsed);
}

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Environment() { unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

std::string File(const std::string& text) {
  static int count = 0;
  const std::string path = ::testing::TempDir() + "options_test_" + std::to_string(::getpid()) +
                           "_" + std::to_string(count++) + ".toml";
  std::ofstream(path) << text;
  return path;
}

TEST(Options, DefaultsAreTheStructs) {
  const ServerOptions options = Options({});
  EXPECT_EQ(options.listen, std::vector<std::string>{"127.0.0.1:50051"});
  EXPECT_EQ(options.chunk_bytes, 1 << 20);
  EXPECT_EQ(options.max_request_bytes, 16 << 20);
  EXPECT_EQ(options.limits.max_response_bytes, std::int64_t{2} << 40);
  EXPECT_EQ(options.limits.max_matrix_bytes, std::int64_t{4} << 30);
}

TEST(Options, VariablesThatSetNothingAreNamed) {
  const Environment misspelt("WEIGHTINIT_MAX_STREAM", "7"), known("WEIGHTINIT_MAX_STREAMS", "7"),
      library("WEIGHTINIT_SIMD", "scalar"), file("WEIGHTINIT_CONFIG", "");
  const ServerOptions options = Options({});
  EXPECT_EQ(options.unknown_environment, std::vector<std::string>{"WEIGHTINIT_MAX_STREAM"});
  EXPECT_EQ(options.max_streams, 7);
}

TEST(Options, EveryFlagIsRead) {
  const ServerOptions options = Options({"--listen",
                                         "0.0.0.0:0",
                                         "--listen",
                                         "unix:/run/w.sock",
                                         "--threads",
                                         "3",
                                         "--chunk-bytes",
                                         "256KiB",
                                         "--chunks-ahead",
                                         "3",
                                         "--cache-bytes",
                                         "0",
                                         "--recipe-cache-bytes",
                                         "1MB",
                                         "--max-streams",
                                         "7",
                                         "--max-stream-bytes",
                                         "5MiB",
                                         "--max-request-bytes",
                                         "2MiB",
                                         "--max-response-bytes",
                                         "1TiB",
                                         "--max-matrix-bytes",
                                         "5",
                                         "--drain-delay",
                                         "300ms",
                                         "--shutdown-grace",
                                         "2m",
                                         "--log-format",
                                         "JSON",
                                         "--log-level",
                                         "debug"});
  EXPECT_EQ(options.listen, (std::vector<std::string>{"0.0.0.0:0", "unix:/run/w.sock"}));
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(options.chunk_bytes, 256 << 10);
  EXPECT_EQ(options.chunks_ahead, 3);
  EXPECT_EQ(options.cache_bytes, 0);
  EXPECT_EQ(options.recipe_cache_bytes, 1'000'000);
  EXPECT_EQ(options.max_streams, 7);
  EXPECT_EQ(options.max_stream_bytes, 5 << 20);
  EXPECT_EQ(options.max_request_bytes, 2 << 20);
  EXPECT_EQ(options.limits.max_response_bytes, std::int64_t{1} << 40);
  EXPECT_EQ(options.limits.max_matrix_bytes, 5);
  EXPECT_EQ(options.drain_delay, std::chrono::milliseconds(300));
  EXPECT_EQ(options.shutdown_grace, std::chrono::minutes(2));
  EXPECT_EQ(options.log_format, LogFormat::kJson);
  EXPECT_EQ(options.log_level, LogLevel::kDebug);
}

TEST(Options, ChunkSizesEndWhereTheySay) {
  EXPECT_EQ(Options({"--chunk-bytes", "64KiB"}).chunk_bytes, 64 << 10);
  EXPECT_EQ(Options({"--chunk-bytes", "2MiB"}).chunk_bytes, 2 << 20);
  for (const char* bad :
       {"61440", "2101248", "65537", "0", "-1", "1x", "", "1e6", "9999999999TiB"}) {
    EXPECT_EQ(Exit({"--chunk-bytes", bad}).exit_code, 2) << bad;
  }
}

TEST(Options, MemoryIsEnoughForOneStream) {
  const std::vector<std::string> small = {"--chunk-bytes", "64KiB", "--chunks-ahead", "2"};
  const auto with = [&small](const char* bytes) {
    std::vector<std::string> arguments = small;
    arguments.insert(arguments.end(), {"--max-stream-bytes", bytes});
    return arguments;
  };
  EXPECT_EQ(Options(with("256KiB")).max_stream_bytes, 256 << 10);
  const ExitNow exit = Exit(with("262143"));
  EXPECT_EQ(exit.exit_code, 2);
  EXPECT_NE(exit.text.find("--max-stream-bytes"), std::string::npos) << exit.text;
  // The default is enough for as many streams as there may be.
  const ServerOptions defaults;
  EXPECT_GE(defaults.max_stream_bytes,
            defaults.max_streams * defaults.chunks_per_stream() * defaults.chunk_bytes);
}

TEST(Options, MistakesExitWith2AndSayWhich) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"--no-such-flag"},
                                                                     {"--threads", "-1"},
                                                                     {"--threads", "many"},
                                                                     {"--max-streams", "0"},
                                                                     {"--drain-delay", "5 parsecs"},
                                                                     {"--drain-delay", "25h"},
                                                                     {"--log-format", "xml"},
                                                                     {"--listen"},
                                                                     {"positional"}}) {
    const ExitNow exit = Exit(arguments);
    EXPECT_EQ(exit.exit_code, 2) << arguments[0];
    EXPECT_NE(exit.text.find(arguments[0]), std::string::npos) << exit.text;
  }
}

TEST(Options, FlagBeforeEnvironmentBeforeFileBeforeDefault) {
  const std::string file = File("threads = 3\nmax-streams = 4\n");
  EXPECT_EQ(Options({"--config", file}).threads, 3);
  {
    const Environment environment("WEIGHTINIT_THREADS", "5");
    EXPECT_EQ(Options({}).threads, 5);
    EXPECT_EQ(Options({"--config", file}).threads, 5);
    EXPECT_EQ(Options({"--config", file}).max_streams, 4);
    EXPECT_EQ(Options({"--config", file, "--threads", "6"}).threads, 6);
  }
  const Environment environment("WEIGHTINIT_CONFIG", file.c_str());
  EXPECT_EQ(Options({}).threads, 3);
}

TEST(Options, ListsComeFromTheEnvironmentWithCommas) {
  const Environment environment("WEIGHTINIT_LISTEN", "127.0.0.1:1,unix:/x");
  EXPECT_EQ(Options({}).listen, (std::vector<std::string>{"127.0.0.1:1", "unix:/x"}));
}

TEST(Options, MistakesInTheEnvironmentAndTheFileCountToo) {
  {
    const Environment environment("WEIGHTINIT_MAX_STREAMS", "none");
    EXPECT_EQ(Exit({}).exit_code, 2);
  }
  const ExitNow misspelt = Exit({"--config", File("thread = 3\n")});
  EXPECT_EQ(misspelt.exit_code, 2);
  EXPECT_THAT(misspelt.text, ::testing::HasSubstr("--config: no flag has the name 'thread'"));
  EXPECT_EQ(Exit({"--config", "/no/such/file"}).exit_code, 2);
  const Environment environment("WEIGHTINIT_CONFIG", "/no/such/file");
  EXPECT_EQ(Exit({}).exit_code, 2);
}

TEST(Options, PrintedConfigReadsBackTheSame) {
  const ExitNow first = Exit({"--print-config", "--listen", "unix:/a b", "--listen", "[::1]:5",
                              "--chunk-bytes", "128KiB", "--log-format", "json", "--tls-cert",
                              "a \"b\".pem", "--insecure", "--reflection", "off", "--max-rules",
                              "7", "--stream-idle-timeout", "90s", "--log-calls"});
  EXPECT_EQ(first.exit_code, 0);
  EXPECT_NE(first.text.find("insecure=true"), std::string::npos) << first.text;
  EXPECT_NE(first.text.find("reflection=\"off\""), std::string::npos) << first.text;
  const ExitNow second = Exit({"--print-config", "--config", File(first.text)});
  EXPECT_EQ(second.text, first.text);
}

TEST(Options, HelpNamesEveryFlagWithItsVariable) {
  const ExitNow help = Exit({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* flag : {"--listen",
                           "--threads",
                           "--chunk-bytes",
                           "--chunks-ahead",
                           "--cache-bytes",
                           "--recipe-cache-bytes",
                           "--max-streams",
                           "--max-stream-bytes",
                           "--max-request-bytes",
                           "--max-response-bytes",
                           "--max-matrix-bytes",
                           "--drain-delay",
                           "--shutdown-grace",
                           "--log-format",
                           "--log-level",
                           "--log-calls",
                           "--metrics-listen",
                           "--unix-socket-mode",
                           "--unix-socket-owner",
                           "--tls-cert",
                           "--tls-key",
                           "--tls-client-ca",
                           "--token-file",
                           "--insecure",
                           "--reflection",
                           "--max-streams-per-peer",
                           "--max-calls-per-second",
                           "--max-tensors",
                           "--max-rules",
                           "--stream-idle-timeout",
                           "--config"}) {
    EXPECT_NE(help.text.find(flag), std::string::npos) << flag;
    std::string variable = "WEIGHTINIT_" + std::string(flag + 2);
    for (char& c : variable) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    EXPECT_NE(help.text.find(variable), std::string::npos) << variable;
  }
  EXPECT_EQ(Exit({"--version"}).text.find("weightinit-server "), 0u);
}

}  // namespace
}  // namespace weightinit::server
