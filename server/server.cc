#include "server/server.h"

#include <grpc/grpc.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/impl/server_builder_plugin.h"
#include "server/listen_address.h"
#include "server/process_usage.h"
#include "server/service.h"
#include "weightinit/engine.h"

namespace weightinit::server {
namespace {

constexpr int kSecond = 1000;  // gRPC's arguments are in milliseconds
constexpr int kMinute = 60 * kSecond;

// Settings that differ from gRPC's defaults, each with its reason.
void Configure(const ServerOptions& options, grpc::ServerBuilder& builder) {
  // A second server on one port is a mistake; with SO_REUSEPORT it would silently take every other
  // connection.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);

  // Random values do not compress, and gRPC inflates a request before it checks its size: a request
  // of a megabyte could ask for any amount of memory.
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  }

  // Twice our own limit, which names its flag: up to here the user gets the better answer.
  builder.SetMaxReceiveMessageSize(static_cast<int>(2 * options.max_request_bytes));

  // Per connection; --max-streams bounds all of them together.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 100);
  // A connection that never speaks is closed long before the default of 2 minutes.
  builder.AddChannelArgument("grpc.server_handshake_timeout_ms", 10 * kSecond);

  // Clients look for new servers only when they connect: without an end to connections, servers
  // that are added get no load. Running streams end as they will; the age only stops new ones.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 5 * kMinute);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 10 * kMinute);

  // Finds readers that vanished without a word, so that their streams stop.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60 * kSecond);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * kSecond);
  // Clients may keep idle connections alive every 30 s (default: 5 minutes, else they are cut off).
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30 * kSecond);
}

absl::Status CheckSecurity(const ServerOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  if (!options.tls_client_ca.empty() && options.tls_cert.empty()) {
    return absl::InvalidArgumentError("--tls-client-ca goes with --tls-cert and --tls-key");
  }
  if (options.insecure && !options.tls_cert.empty()) {
    return absl::InvalidArgumentError("--insecure and --tls-cert exclude one another");
  }
  return absl::OkStatus();
}

absl::Status CheckAddresses(const ServerOptions& options) {
  for (const std::string& address : options.listen) {
    if (absl::Status status = CheckListenAddress(address); !status.ok()) return status;
    if (options.tls_cert.empty() && !options.insecure && !IsLocal(address)) {
      return absl::InvalidArgumentError(
          "--listen: " + address +
          " would be plaintext for a network; --tls-cert and --tls-key encrypt it, --insecure "
          "says that it may be");
    }
    if (const auto path = UnixSocketPath(address)) {
      if (absl::Status status = CheckUnixSocketIsFree(*path); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// Other plugins than gRPC's own reflection stay.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) {
      return plugin->name().find("reflection") != std::string::npos;
    });
  }
};

bool HasReflection(const ServerOptions& options) {
  return options.reflection == Reflection::kOn ||
         (options.reflection == Reflection::kAuto && !options.is_secured());
}

// Sockets are made with these permissions: nobody else can connect before they are set.
class SocketUmask {
 public:
  explicit SocketUmask(const SocketFileRights& rights)
      : former_(rights.mode ? std::optional(umask(0777 & ~*rights.mode)) : std::nullopt) {}
  ~SocketUmask() {
    if (former_) umask(*former_);
  }
  SocketUmask(const SocketUmask&) = delete;
  SocketUmask& operator=(const SocketUmask&) = delete;

 private:
  const std::optional<mode_t> former_;
};

absl::Status CannotListen(const std::vector<std::string>& addresses,
                          const std::vector<int>& ports) {
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    if (ports[i] != 0) continue;
    const std::string why = WhyNotListening(addresses[i]);
    return absl::UnavailableError("cannot listen on " + addresses[i] +
                                  (why.empty() ? "" : ": " + why));
  }
  return absl::UnavailableError("gRPC could not start the server");
}

}  // namespace

Server::Server(const ServerOptions& options, const Logger& logger)
    : access_log_(logger, options.log_calls),
      metrics_(options.metrics_listen.empty() ? nullptr : std::make_unique<Metrics>()) {}

absl::Status Server::ReadFiles(const ServerOptions& options) {
  if (!options.tls_cert.empty()) {
    auto certificates =
        Certificates::Load({options.tls_cert, options.tls_key, options.tls_client_ca});
    if (!certificates.ok()) return certificates.status();
    certificates_ = *std::move(certificates);
  }
  if (!options.token_file.empty()) {
    auto tokens = Tokens::Load(options.token_file);
    if (!tokens.ok()) return tokens.status();
    tokens_ = *std::move(tokens);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const Logger& logger) {
  if (absl::Status status = CheckSecurity(options); !status.ok()) return status;
  if (absl::Status status = CheckAddresses(options); !status.ok()) return status;
  const auto rights = ParseSocketFileRights(options.unix_socket_mode, options.unix_socket_owner);
  if (!rights.ok()) return rights.status();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // gRPC's own health service brings no descriptor: with this one linked, reflection can answer
  // clients that know no schema when they ask about health.
  grpc::health::v1::HealthCheckRequest::descriptor();

  std::unique_ptr<Server> server(new Server(options, logger));
  if (absl::Status status = server->ReadFiles(options); !status.ok()) return status;
  if (server->certificates_ != nullptr) server->certificates_->WarnIfExpired(logger);
  server->StartService(options);
  grpc::ServerBuilder builder;
  Configure(options, builder);
  if (!HasReflection(options)) builder.SetOption(std::make_unique<WithoutReflection>());
  std::vector<int> ports(options.listen.size(), 0);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    // The file's permissions guard a unix socket.
    const bool is_tls = server->certificates_ != nullptr && !UnixSocketPath(options.listen[i]);
    builder.AddListeningPort(
        options.listen[i],
        is_tls ? server->certificates_->Credentials() : grpc::InsecureServerCredentials(),
        &ports[i]);
  }
  builder.RegisterService(server->service_.get());
  {
    const SocketUmask umask(*rights);
    server->server_ = builder.BuildAndStart();
  }
  if (server->server_ == nullptr) return CannotListen(options.listen, ports);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    server->addresses_.push_back(WithPort(options.listen[i], ports[i]));
    const auto path = UnixSocketPath(options.listen[i]);
    if (!path) continue;
    if (absl::Status status = SetRights(*path, *rights); !status.ok()) return status;
  }
  if (absl::Status status = server->StartAdmin(options); !status.ok()) return status;
  // "" is SERVING from the start; probes and clients may also ask for the service by name.
  server->server_->GetHealthCheckService()->SetServingStatus(
      v1::WeightInitService::service_full_name(), true);
  server->StartTicker(options, logger);
  return server;
}

void Server::StartService(const ServerOptions& options) {
  std::vector<CallObserver*> observers = {&access_log_};
  if (metrics_ != nullptr) observers.push_back(metrics_.get());
  service_ = std::make_unique<WeightInitService>(options, std::move(observers), tokens_.get());
}

void Server::StartTicker(const ServerOptions& options, const Logger& logger) {
  std::vector<std::function<void()>> tasks = {[this, &logger] { WatchFiles(logger); }};
  if (certificates_ != nullptr) {
    tasks.emplace_back([this, &logger] { certificates_->Refresh(logger); });
  }
  if (tokens_ != nullptr) tasks.emplace_back([this, &logger] { tokens_->Refresh(logger); });
  if (options.stream_idle_timeout.count() > 0) {
    tasks.emplace_back([this] { service_->CutStuckStreams(); });
  }
  ticker_ = std::make_unique<Ticker>(std::move(tasks));
}

// With the last file gone, this gRPC's listeners go deaf for good (CVE-2023-4785): whoever balances
// the load should look elsewhere before that.
void Server::WatchFiles(const Logger& logger) {
  const ProcessUsage usage = ReadProcessUsage();
  const bool has_files = usage.open_files < usage.max_files - usage.max_files / 10;
  if (has_files_.exchange(has_files) == has_files || !is_serving_.load()) return;
  server_->GetHealthCheckService()->SetServingStatus(has_files);
  logger.Log(has_files ? LogLevel::kInfo : LogLevel::kError,
             has_files ? "file descriptors are left again, health is SERVING"
                       : "file descriptors run out, health is NOT_SERVING",
             {{"open", usage.open_files}, {"max", usage.max_files}});
}

absl::Status Server::StartAdmin(const ServerOptions& options) {
  if (metrics_ == nullptr) return absl::OkStatus();
  const auto metrics = [this] {
    ServerState state = service_->State();
    state.is_serving = is_serving_.load();
    if (certificates_ != nullptr) state.certificate_expiry = certificates_->expiry();
    return metrics_->Text(state);
  };
  auto admin = AdminListener::Start(
      options.metrics_listen,
      {.metrics = metrics, .is_ready = [this] { return is_serving_.load() && has_files_.load(); }});
  if (!admin.ok()) return admin.status();
  admin_ = *std::move(admin);
  return absl::OkStatus();
}

std::string Server::admin_address() const { return admin_ == nullptr ? "" : admin_->address(); }

Server::~Server() { Shutdown(std::chrono::milliseconds(0)); }

int Server::threads() const { return service_->threads(); }

int Server::active_streams() const { return service_->active_streams(); }

std::string Server::Banner() const {
  std::string where;
  for (const std::string& address : addresses_) where += (where.empty() ? "" : ", ") + address;
  return "weightinit-server " + std::string(Version()) + " serving " +
         v1::WeightInitService::service_full_name() + " on " + where + " (" +
         std::to_string(threads()) + (threads() == 1 ? " thread, " : " threads, ") +
         std::string(SimdTarget()) + ")" +
         (admin_ == nullptr ? "" : ", metrics on " + admin_->address());
}

void Server::SetNotServing() {
  is_serving_.store(false);
  server_->GetHealthCheckService()->Shutdown();
}

void Server::Shutdown(std::chrono::milliseconds grace) {
  if (server_ == nullptr) return;
  const auto end = std::chrono::steady_clock::now() + grace;
  service_->RefuseStreams();
  WaitForStreams(end);
  // gRPC waits for every call, and a client's Watch of the health service never ends by itself:
  // whatever is left after our own streams is cut off.
  const std::jthread hasten([this](const std::stop_token& stop) {
    constexpr std::chrono::milliseconds kPoll{20};
    constexpr int kQuietPolls = 25;
    for (int i = 0; i < kQuietPolls && !stop.stop_requested(); ++i) {
      std::this_thread::sleep_for(kPoll);
    }
    if (!stop.stop_requested()) grpc_server_cancel_all_calls(server_->c_server());
  });
  server_->Shutdown();
}

void Server::WaitForStreams(std::chrono::steady_clock::time_point end) const {
  // gRPC closes a connection when its last stream has been handed to the system. If the peer is
  // still reading then, and says so by a window update, the system drops what has not left yet. So
  // connections stay open until the readers have had time.
  constexpr std::chrono::milliseconds kLinger{1000};
  constexpr std::chrono::milliseconds kPoll{10};
  for (auto now = std::chrono::steady_clock::now(); now < end;
       now = std::chrono::steady_clock::now()) {
    const bool is_quiet = active_streams() == 0 && service_->last_stream_end() < now - kLinger;
    if (is_quiet) return;
    std::this_thread::sleep_for(kPoll);
  }
}

void Server::RemoveSockets() const {
  for (const std::string& address : addresses_) {
    if (const auto path = UnixSocketPath(address)) unlink(path->c_str());
  }
}

}  // namespace weightinit::server
