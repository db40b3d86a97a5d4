#include "server/gatekeeper.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include "server/refusals.h"

namespace weightinit::server {
namespace {

// More peers than this at one time, and those that are quiet are forgotten.
constexpr std::size_t kManyPeers = 4096;

// "ipv4:10.0.0.1:4711" without its port.
std::string WithoutPort(const std::string& peer) {
  return peer.starts_with("ip") ? peer.substr(0, peer.rfind(':')) : peer;
}

}  // namespace

Gatekeeper::Gatekeeper(const ServerOptions& options, const Tokens* tokens)
    : tokens_(tokens),
      has_certificates_(!options.tls_client_ca.empty()),
      max_streams_(options.max_streams_per_peer),
      max_calls_(options.max_calls_per_second) {}

absl::StatusOr<Gatekeeper::Pass> Gatekeeper::Admit(const grpc::CallbackServerContext& context) {
  const bool asks_nothing =
      tokens_ == nullptr && !has_certificates_ && max_streams_ == 0 && max_calls_ == 0;
  if (asks_nothing) return Pass();
  absl::StatusOr<Caller> caller = Identify(context);
  if (!caller.ok()) return caller.status();
  return Admit(*std::move(caller), Clock::now());
}

absl::StatusOr<Caller> Gatekeeper::Identify(const grpc::CallbackServerContext& context) const {
  if (tokens_ != nullptr) {
    const auto found = context.client_metadata().find("authorization");
    const std::optional<Token> token =
        found == context.client_metadata().end()
            ? std::nullopt
            : tokens_->Find({found->second.data(), found->second.size()});
    if (!token) return Unauthenticated();
    return Caller{"token:" + token->name, token->name, token->max_streams};
  }
  if (has_certificates_) {
    const std::vector<grpc::string_ref> names = context.auth_context()->GetPeerIdentity();
    if (!names.empty()) {  // none over a unix socket
      std::string name(names[0].data(), names[0].size());
      return Caller{"certificate:" + name, name, std::nullopt};
    }
  }
  return Caller{WithoutPort(context.peer()), "", std::nullopt};
}

absl::StatusOr<Gatekeeper::Pass> Gatekeeper::Admit(Caller caller, Clock::time_point now) {
  const int max_streams = caller.max_streams.value_or(max_streams_);
  const bool has_max_streams = caller.max_streams.has_value() || max_streams_ > 0;
  if (!has_max_streams && max_calls_ == 0) {
    return Pass(nullptr, std::move(caller.key), std::move(caller.name));
  }
  const std::lock_guard lock(mutex_);
  if (peers_.size() >= kManyPeers) Forget(now);
  const auto [found, is_new] = peers_.try_emplace(caller.key);
  Peer& peer = found->second;
  if (max_calls_ > 0) {
    const double passed = is_new ? 1 : std::chrono::duration<double>(now - peer.last).count();
    peer.calls_left = std::min<double>(max_calls_, peer.calls_left + passed * max_calls_);
    peer.last = now;
    if (peer.calls_left < 1) {
      return Busy("this caller had its " + std::to_string(max_calls_) + " calls of this second",
                  "max_calls_per_second", max_calls_);
    }
    peer.calls_left -= 1;
  }
  if (has_max_streams && peer.streams >= max_streams) {
    return Busy("all " + std::to_string(max_streams) + " streams of this caller are taken",
                "max_streams_per_peer", max_streams,
                caller.max_streams ? "max-streams= of the token" : "--max-streams-per-peer");
  }
  ++peer.streams;
  return Pass(this, std::move(caller.key), std::move(caller.name));
}

void Gatekeeper::Leave(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  --found->second.streams;
  // Without an allowance there is nothing to remember of a peer that is gone.
  if (found->second.streams == 0 && max_calls_ == 0) peers_.erase(found);
}

void Gatekeeper::Forget(Clock::time_point now) {
  constexpr std::chrono::seconds kQuiet{1};  // its allowance is whole again
  if (now - last_forget_ < kQuiet) return;
  last_forget_ = now;
  std::erase_if(peers_, [&](const auto& entry) {
    return entry.second.streams == 0 && now - entry.second.last >= kQuiet;
  });
}

}  // namespace weightinit::server
