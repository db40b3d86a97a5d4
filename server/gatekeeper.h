// Who may call, and how much at one time: asked once per call, before anything else.
#ifndef WEIGHTINIT_SERVER_GATEKEEPER_H_
#define WEIGHTINIT_SERVER_GATEKEEPER_H_

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/status/statusor.h"
#include "server/options.h"
#include "server/tokens.h"

namespace grpc {
class CallbackServerContext;
}

namespace weightinit::server {

// Who calls: by token, by client certificate, or by address.
struct Caller {
  std::string key;   // "token:alice", "certificate:spiffe://…", "ipv4:10.0.0.1"
  std::string name;  // "alice", the certificate's subject; empty: only an address is known
  std::optional<int> max_streams;  // of the token
};

// Thread-safety: safe for use from several threads at once. Takes no lock while no limit per peer
// is set.
class Gatekeeper {
 public:
  using Clock = std::chrono::steady_clock;

  // `tokens` may be nullptr: then no one needs one. It must outlive this.
  Gatekeeper(const ServerOptions& options, const Tokens* tokens);

  // A caller that was let in; gives its place back when it is destroyed. Must not outlive the
  // gatekeeper.
  class Pass {
   public:
    Pass() = default;
    Pass(Gatekeeper* keeper, std::string key, std::string name)
        : keeper_(keeper), key_(std::move(key)), name_(std::move(name)) {}
    Pass(Pass&& other) noexcept { *this = std::move(other); }
    Pass& operator=(Pass&& other) noexcept {
      std::swap(keeper_, other.keeper_);
      std::swap(key_, other.key_);
      std::swap(name_, other.name_);
      return *this;
    }
    ~Pass() {
      if (keeper_ != nullptr) keeper_->Leave(key_);
    }
    const std::string& name() const { return name_; }

   private:
    Gatekeeper* keeper_ = nullptr;  // nullptr: nothing to give back
    std::string key_, name_;
  };

  // Errors: UNAUTHENTICATED; RESOURCE_EXHAUSTED (SERVER_BUSY) if this peer takes too much.
  absl::StatusOr<Pass> Admit(const grpc::CallbackServerContext& context);

  // The part of Admit that counts, by a given clock.
  absl::StatusOr<Pass> Admit(Caller caller, Clock::time_point now);

 private:
  struct Peer {
    int streams = 0;
    double calls_left = 0;  // of the allowance of this second
    Clock::time_point last;
  };

  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context) const;
  void Leave(const std::string& key);
  void Forget(Clock::time_point now);

  const Tokens* const tokens_;
  const bool has_certificates_;
  const int max_streams_;  // per peer; 0: any number
  const int max_calls_;    // per peer and second; 0: any number

  std::mutex mutex_;
  std::unordered_map<std::string, Peer> peers_;  // guarded by mutex_
  Clock::time_point last_forget_;                // likewise
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_GATEKEEPER_H_
