#include "server/server.h"

#include <grpc/grpc.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <stop_token>
#include <thread>
#include <utility>

#include "grpc/health/v1/health.pb.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "server/listen_address.h"
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

absl::Status CheckAddresses(const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    if (absl::Status status = CheckListenAddress(address); !status.ok()) return status;
    if (const auto path = UnixSocketPath(address)) {
      if (absl::Status status = CheckUnixSocketIsFree(*path); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

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
      metrics_(options.metrics_listen.empty() ? nullptr : std::make_unique<Metrics>()) {
  std::vector<CallObserver*> observers = {&access_log_};
  if (metrics_ != nullptr) observers.push_back(metrics_.get());
  service_ = std::make_unique<WeightInitService>(options, std::move(observers));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                                      const Logger& logger) {
  if (absl::Status status = CheckAddresses(options.listen); !status.ok()) return status;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  // gRPC's own health service brings no descriptor: with this one linked, reflection can answer
  // clients that know no schema when they ask about health.
  grpc::health::v1::HealthCheckRequest::descriptor();

  std::unique_ptr<Server> server(new Server(options, logger));
  grpc::ServerBuilder builder;
  Configure(options, builder);
  std::vector<int> ports(options.listen.size(), 0);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    builder.AddListeningPort(options.listen[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  builder.RegisterService(server->service_.get());
  server->server_ = builder.BuildAndStart();
  if (server->server_ == nullptr) return CannotListen(options.listen, ports);
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    server->addresses_.push_back(WithPort(options.listen[i], ports[i]));
  }
  if (absl::Status status = server->StartAdmin(options); !status.ok()) return status;
  // "" is SERVING from the start; probes and clients may also ask for the service by name.
  server->server_->GetHealthCheckService()->SetServingStatus(
      v1::WeightInitService::service_full_name(), true);
  return server;
}

absl::Status Server::StartAdmin(const ServerOptions& options) {
  if (metrics_ == nullptr) return absl::OkStatus();
  const auto metrics = [this] {
    ServerState state = service_->State();
    state.is_serving = is_serving_.load();
    return metrics_->Text(state);
  };
  auto admin =
      AdminListener::Start(options.metrics_listen,
                           {.metrics = metrics, .is_ready = [this] { return is_serving_.load(); }});
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
