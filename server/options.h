// What can be set: one struct, filled from flags, the environment and a file.
#ifndef WEIGHTINIT_SERVER_OPTIONS_H_
#define WEIGHTINIT_SERVER_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "weightinit/selection.h"

namespace weightinit::server {

enum class LogFormat { kText, kJson };
enum class LogLevel { kDebug, kInfo, kWarn, kError };
enum class Reflection { kAuto, kOn, kOff };

// Every field is also a flag, and an environment variable: max_streams is --max-streams and
// WEIGHTINIT_MAX_STREAMS. A flag goes before the environment, and that before the file of --config.
struct ServerOptions {
  // Where to listen
  // --------------------------------------------------------------------------

  // "HOST:PORT" or "unix:PATH". Loopback by default: the listener is in plaintext and asks no one
  // who they are, so that opening it to a network is a decision. Port 0 takes a free one, which the
  // line at the start names.
  std::vector<std::string> listen = {"127.0.0.1:50051"};

  // "HOST:PORT" of plain HTTP with /metrics for Prometheus, and /healthz and /readyz for probes.
  // Empty: none.
  std::string metrics_listen;

  // Socket files of unix: addresses: their permissions, such as 0660, and their owner, "USER",
  // "USER:GROUP" or ":GROUP". Empty: those that the umask and the process give.
  std::string unix_socket_mode, unix_socket_owner;

  // Who may call
  // --------------------------------------------------------------------------

  // PEM; with them HOST:PORT addresses speak TLS alone. Read again when they change. Both or none.
  std::string tls_cert, tls_key;

  // PEM; then clients must show a certificate that descends from one of these (mTLS).
  std::string tls_client_ca;

  // Lines of "NAME TOKEN": then calls must bring one. Read again when it changes. Health needs
  // none.
  std::string token_file;

  // HOST:PORT addresses other than loopback may be plaintext, tokens too.
  bool insecure = false;

  // Whether clients may ask for the schema. kAuto: unless TLS or tokens are on.
  Reflection reflection = Reflection::kAuto;

  // Resources
  // --------------------------------------------------------------------------

  // Threads that draw; gRPC has its own. 0: one per processor. More than that only adds switching.
  int threads = 0;

  // Values per message. Larger ones fall out of the processor's cache, smaller ones pay more for
  // hand-offs: 512 KiB to 2 MiB are about equally fast. From 64 KiB to 2 MiB, a multiple of 4 KiB,
  // so that messages stay below the 4 MiB that gRPC clients accept by default.
  std::int64_t chunk_bytes = std::int64_t{1} << 20;

  // Chunks that a stream may hold made or in the making, beyond the one that is being written. The
  // more, the less a reader that stutters or a busy processor is felt.
  int chunks_ahead = 1;

  // Matrices of orthogonal, delta_orthogonal and sparse tensors that are kept for further slices,
  // and states of torch_cpu, in bytes; the last matrix that is larger is kept besides. 0: none.
  std::int64_t cache_bytes = std::int64_t{1} << 30;

  // Resolved recipes that are kept, so that a request may name one by its fingerprint, in bytes.
  // 0: none; every request must bring its recipe.
  std::int64_t recipe_cache_bytes = std::int64_t{256} << 20;

  // Limits: requests beyond them get RESOURCE_EXHAUSTED, which names the flag
  // --------------------------------------------------------------------------

  // Streams at one time, over all connections.
  int max_streams = 256;

  // Streams of one peer at one time: of a token's name, a client certificate or an address. A
  // token may have its own number. 0: as many as there may be. Behind a proxy all callers without
  // tokens are one peer.
  int max_streams_per_peer = 0;

  // Calls of one peer in a second. 0: any number.
  int max_calls_per_second = 0;

  // Memory for the chunks of all streams together, in bytes: what slow readers can pin down at
  // most. A stream is promised chunks_per_stream() · chunk_bytes when it begins, or all that it is
  // if that is less, and refused if there is not so much left. At least what one stream needs. The
  // default is enough for all of max_streams.
  std::int64_t max_stream_bytes = std::int64_t{1} << 30;

  // A request's size on the wire. gRPC itself refuses beyond twice this, in words of its own.
  std::int64_t max_request_bytes = std::int64_t{16} << 20;

  // Of a recipe: tensors, and rules and renames. What rules cost is their number times that of the
  // names, each in a time that grows with the name alone (RE2).
  int max_tensors = 1'000'000;
  int max_rules = 10'000;

  // A stream whose reader takes nothing for so long is cut off: it would keep its slot and its
  // memory. A program that reads lazily may pause for minutes. 0: never.
  std::chrono::milliseconds stream_idle_timeout = std::chrono::minutes(15);

  // max_response_bytes and max_matrix_bytes.
  Limits limits;

  // Stopping
  // --------------------------------------------------------------------------

  // Between SIGTERM (health turns NOT_SERVING) and the moment that no more calls are accepted: at
  // least the period of the readiness probe plus the time that endpoints take to spread.
  std::chrono::milliseconds drain_delay = std::chrono::seconds(5);

  // How long running streams may then take to end; those left are cancelled.
  std::chrono::milliseconds shutdown_grace = std::chrono::seconds(30);

  // Logs, on standard error
  // --------------------------------------------------------------------------
  LogFormat log_format = LogFormat::kText;
  LogLevel log_level = LogLevel::kInfo;

  // Every call is a line, whatever came of it. Otherwise that takes level debug.
  bool log_calls = false;

  // Whether callers are more than an address, or the line is encrypted.
  bool is_secured() const { return !tls_cert.empty() || !token_file.empty(); }

  // Of one stream at one time: those that are ahead, the one that is being written, and the one
  // before, whose last bytes gRPC may still hold.
  std::int64_t chunks_per_stream() const { return std::int64_t{chunks_ahead} + 2; }

  // Not a setting: variables WEIGHTINIT_… of the environment that set nothing here, misspelt ones
  // most likely.
  std::vector<std::string> unknown_environment;
};

// What a program should do right away instead of serving: print `text` (on standard output if
// exit_code is 0, else on standard error) and exit.
struct ExitNow {
  int exit_code = 0;
  std::string text;
};

// Reads the command line, the environment and the file of --config. --help, --version and
// --print-config ask to exit with 0; anything wrong asks to exit with 2.
//
// Thread-safety: reads the environment; call it before threads that change it exist.
std::variant<ServerOptions, ExitNow> ParseOptions(int argc, const char* const* argv);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_OPTIONS_H_
