#include "server/admin_listener.h"

#include <civetweb.h>

#include <utility>

#include "server/catch_all.h"
#include "server/listen_address.h"

namespace weightinit::server {
namespace {

int Send(mg_connection* connection, int code, const char* type, const std::string& body) {
  mg_printf(connection,
            "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: "
            "no-store\r\nConnection: close\r\n\r\n",
            code, mg_get_response_code_text(connection, code), type, body.size());
  mg_write(connection, body.data(), body.size());
  return 1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminListener>> AdminListener::Start(const std::string& address,
                                                                    Pages pages) {
  if (UnixSocketPath(address) || !CheckListenAddress(address).ok()) {
    return absl::InvalidArgumentError("--metrics-listen: '" + address +
                                      "' is not HOST:PORT (an IPv6 address in brackets)");
  }
  std::unique_ptr<AdminListener> listener(new AdminListener(std::move(pages)));
  mg_callbacks callbacks{};
  callbacks.begin_request = [](mg_connection* connection) {
    const mg_request_info* request = mg_get_request_info(connection);
    return static_cast<const AdminListener*>(request->user_data)
        ->Answer(connection, request->local_uri == nullptr ? "" : request->local_uri);
  };
  callbacks.log_message = [](const mg_connection*, const char*) { return 1; };  // whoever asks sees
  // Who sends nothing keeps a thread until it is cut off: probes and scrapers need others.
  const char* options[] = {"listening_ports",
                           address.c_str(),
                           "num_threads",
                           "16",
                           "request_timeout_ms",
                           "2000",
                           "enable_keep_alive",
                           "no",
                           nullptr};
  listener->context_.reset(mg_start(&callbacks, listener.get(), options));
  if (listener->context_ == nullptr) {
    const std::string why = WhyNotListening(address);
    return absl::UnavailableError("cannot listen on " + address + (why.empty() ? "" : ": " + why));
  }
  mg_server_port port{};
  mg_get_server_ports(listener->context_.get(), 1, &port);
  listener->address_ = WithPort(address, port.port);
  return listener;
}

AdminListener::~AdminListener() = default;

void AdminListener::Stop::operator()(mg_context* context) const { mg_stop(context); }

int AdminListener::Answer(mg_connection* connection, const std::string& path) const {
  constexpr const char* kPlain = "text/plain; charset=utf-8";
  if (path == "/metrics") {
    const auto text =
        CatchAll([this]() -> absl::StatusOr<std::string> { return pages_.metrics(); });
    if (!text.ok()) return Send(connection, 500, kPlain, std::string(text.status().message()));
    return Send(connection, 200, "text/plain; version=0.0.4; charset=utf-8", *text);
  }
  if (path == "/healthz") return Send(connection, 200, kPlain, "alive\n");
  if (path == "/readyz") {
    return pages_.is_ready() ? Send(connection, 200, kPlain, "serving\n")
                             : Send(connection, 503, kPlain, "stopping\n");
  }
  return Send(connection, 404, kPlain, "/metrics, /healthz or /readyz\n");
}

}  // namespace weightinit::server
