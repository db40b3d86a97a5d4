// A server.
//
// Calls fail at once when nobody listens. They wait for a busy server; one that a server had taken
// and that broke, also by a minute and a half of silence, is made again, Read and Summarize from
// where it was. Stopping a call cancels it on the server too.
//
// Of several servers all are asked in turn; one that says NOT_SERVING, as it does before it stops,
// gets no new calls.
#ifndef WEIGHTINIT_CLIENT_REMOTE_BACKEND_H_
#define WEIGHTINIT_CLIENT_REMOTE_BACKEND_H_

#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/backend.h"
#include "client/call.h"
#include "client/known_recipes.h"
#include "client/retry.h"
#include "client/target.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::client {

struct RemoteOptions {
  std::string target;  // client/target.h
  // Encrypted, and the server's certificate checked. Implied by any of the files below.
  bool tls = false;
  std::string ca_file;              // PEM; default: the system's
  std::string cert_file, key_file;  // PEM; ours, for servers that ask for one. Both or none.
  std::string server_name;          // checked instead of the target's host
  // Holds a bearer token, sent with every call; refused where it would leave this machine in
  // plaintext.
  std::string token_file;
  // Of each call of Backend as a whole. Default: none, since a model may take hours.
  std::optional<std::chrono::milliseconds> timeout;
  // Over which a Read's values come at once, each a thread here. 0: as many as help.
  int connections = 0;
  // For how long a call that broke is tried again without anything more coming. It waits longer
  // after each try (client/backoff.h). 0: never.
  std::chrono::milliseconds retry_for = std::chrono::seconds(60);
  // Told when one broke, or found the server busy, and is about to try again; once until that
  // succeeds. Called on any thread. May be empty.
  std::function<void(const absl::Status&)> on_break;
};

class RemoteBackend final : public Backend {
 public:
  // Reads the files; connects with the first call. Errors: those of the options.
  static absl::StatusOr<std::unique_ptr<RemoteBackend>> Create(const RemoteOptions& options);

  std::string Where() const override { return options_.target; }
  absl::StatusOr<PlanAnswer> Plan(const Recipe& recipe, std::stop_token stop) override;
  absl::Status Read(const Model& model, std::span<const Selection> selections,
                    const ReadOptions& options, Receiver& receiver, std::stop_token stop) override;
  absl::Status Summarize(const Model& model, std::span<const Selection> selections,
                         int histogram_bins,
                         const std::function<absl::Status(const v1::SummarizeResponse&)>& take,
                         std::stop_token stop) override;
  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(std::stop_token stop) override;
  absl::StatusOr<Health> CheckHealth(std::stop_token stop) override;

 private:
  RemoteBackend(RemoteOptions options, Target target,
                std::shared_ptr<grpc::ChannelCredentials> credentials, std::string token);
  std::shared_ptr<grpc::Channel> NewChannel() const;
  // Makes a call until it is answered, refused, or given up. `once` returns how it ended, or an
  // error of ours, which is final.
  absl::Status Ask(const std::stop_token& stop,
                   const std::function<absl::StatusOr<grpc::Status>(Call&, Tries&)>& once);
  std::vector<std::shared_ptr<grpc::Channel>> Channels(int count);

  const RemoteOptions options_;
  const Target target_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const std::string token_;  // empty: none
  KnownRecipes known_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<grpc::Channel>> channels_;  // at least one; guarded by mutex_
  const std::unique_ptr<v1::WeightInitService::Stub> stub_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_REMOTE_BACKEND_H_
