// One call to a server: its deadline, its end when the user stops it, and its outcome in words.
#ifndef WEIGHTINIT_CLIENT_CALL_H_
#define WEIGHTINIT_CLIENT_CALL_H_

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"

namespace weightinit::client {

// By a clock that nobody sets: several calls may share one.
using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Thread-safety: for one thread; stopping may happen on any.
class Call {
 public:
  Call(const Deadline& deadline, std::stop_token stop);

  grpc::ClientContext* context() { return &context_; }

  // What the call came to, for whoever made it. What broke on the way says where.
  absl::Status Result(const grpc::Status& status, const std::string& target) const;

 private:
  grpc::ClientContext context_;
  const std::stop_token stop_;
  std::stop_callback<std::function<void()>> canceller_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CALL_H_
