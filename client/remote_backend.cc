#include "client/remote_backend.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_interceptor.h>

#include <algorithm>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

#include "client/call.h"
#include "client/certificates.h"
#include "client/formats/document.h"
#include "client/plan_merger.h"
#include "client/printable.h"
#include "client/retry.h"
#include "client/transfer.h"
#include "client/transfer_plan.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "proto/convert.h"
#include "weightinit/engine.h"

namespace weightinit::client {
namespace {

// Servers send up to 4 MiB of values and a header with the tensor's plan in one message.
constexpr int kMaxMessageBytes = 8 << 20;

// Ends a stream whose answer is of no more use, and gives the reason.
template <typename Reader>
absl::Status Abandon(Call& call, Reader& reader, absl::Status reason) {
  call.context()->TryCancel();
  reader.Finish();
  return reason;
}

absl::StatusOr<std::string> ReadPem(const std::string& path) {
  constexpr std::size_t kMaxPemBytes = std::size_t{4} << 20;  // a bundle of all CAs is 0.2 MB
  return path.empty() ? std::string() : ReadSmallFile(path, kMaxPemBytes);
}

bool IsEncrypted(const RemoteOptions& options) {
  return options.tls || !options.ca_file.empty() || !options.cert_file.empty() ||
         !options.server_name.empty();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const RemoteOptions& options,
                                                                      const Target& target) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  if (!IsEncrypted(options)) return grpc::InsecureChannelCredentials();
  if (options.server_name.empty() && target.uri.find(',') != std::string::npos) {
    return absl::InvalidArgumentError(
        "--tls-server-name is missing: the name in the certificates of several addresses");
  }
  PemFile ca{options.ca_file, ""}, cert{options.cert_file, ""}, key{options.key_file, ""};
  for (PemFile* file : {&ca, &cert, &key}) {
    absl::StatusOr<std::string> text = ReadPem(file->path);
    if (!text.ok()) return text.status();
    file->text = *std::move(text);
  }
  absl::Status status = ca.path.empty() ? absl::OkStatus() : CheckCertificates(ca);
  if (status.ok() && !cert.path.empty()) status = CheckPair(cert, key);
  if (!status.ok()) return status;
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = ca.text;
  ssl.pem_private_key = key.text;
  ssl.pem_cert_chain = cert.text;
  return grpc::SslCredentials(ssl);
}

Deadline DeadlineOf(const RemoteOptions& options) {
  if (!options.timeout.has_value()) return std::nullopt;
  return std::chrono::steady_clock::now() + *options.timeout;
}

grpc::ChannelArguments Arguments(const RemoteOptions& options, const Target& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A server that vanished without a word is noticed after 60 + 20 seconds. Servers count pings
  // that come more often than every 30 seconds as an attack.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // Of several addresses all are used, and the others when one is gone.
  arguments.SetLoadBalancingPolicyName("round_robin");
  // One that says NOT_SERVING is passed over. Of one address there is nobody else to ask: it
  // answers for itself, and if it is a proxy, for more servers than its health check would ask.
  if (target.may_be_several) {
    arguments.SetServiceConfigJSON(R"({"healthCheckConfig":{"serviceName":")" +
                                   std::string(v1::WeightInitService::service_full_name()) +
                                   R"("}})");
  }
  // A server that restarts is found again soon. gRPC would wait from 1 s up to 2 minutes, and a
  // call that is tried in between would fail for nothing.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2'000);
  // Channels with the same arguments share one connection, unless each keeps its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetUserAgentPrefix("weightinit/" + std::string(Version()));
  if (!options.server_name.empty()) arguments.SetSslTargetNameOverride(options.server_name);
  return arguments;
}

// The token to send; empty: none.
absl::StatusOr<std::string> TokenFor(const RemoteOptions& options, const Target& target) {
  if (options.token_file.empty()) return std::string();
  if (!IsEncrypted(options) && !target.stays_here) {
    return absl::InvalidArgumentError("--token-file: " + Printable(options.target) +
                                      " would get the token in plaintext; --tls encrypts it");
  }
  absl::StatusOr<std::string> text = ReadPem(options.token_file);
  if (!text.ok()) return text.status();
  const std::size_t begin = text->find_first_not_of(" \t\r\n");
  const std::size_t end = text->find_last_not_of(" \t\r\n");
  const std::string token = begin == std::string::npos ? "" : text->substr(begin, end + 1 - begin);
  const bool is_one_word = !token.empty() && std::all_of(token.begin(), token.end(), [](char c) {
    return c > ' ' && c < 0x7f;
  });
  if (is_one_word) return token;
  return absl::InvalidArgumentError("--token-file: " + Printable(options.token_file) +
                                    " does not hold one token and nothing else");
}

// gRPC's own credentials for calls do not go over plaintext, not even to a unix socket.
class TokenSender final : public grpc::experimental::Interceptor {
 public:
  explicit TokenSender(const std::string& token) : token_(token) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using Hook = grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(Hook::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->insert({"authorization", "Bearer " + token_});
    }
    methods->Proceed();
  }

 private:
  const std::string& token_;
};

class TokenSenderFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit TokenSenderFactory(std::string token) : token_(std::move(token)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new TokenSender(token_);
  }

 private:
  const std::string token_;  // lives as long as its channel
};

}  // namespace

absl::StatusOr<std::unique_ptr<RemoteBackend>> RemoteBackend::Create(const RemoteOptions& options) {
  absl::StatusOr<Target> target = ParseTarget(options.target);
  if (!target.ok()) return target.status();
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials =
      Credentials(options, *target);
  if (!credentials.ok()) return credentials.status();
  absl::StatusOr<std::string> token = TokenFor(options, *target);
  if (!token.ok()) return token.status();
  return std::unique_ptr<RemoteBackend>(
      new RemoteBackend(options, *std::move(target), *std::move(credentials), *std::move(token)));
}

RemoteBackend::RemoteBackend(RemoteOptions options, Target target,
                             std::shared_ptr<grpc::ChannelCredentials> credentials,
                             std::string token)
    : options_(std::move(options)),
      target_(std::move(target)),
      credentials_(std::move(credentials)),
      token_(std::move(token)),
      channels_({NewChannel()}),
      stub_(v1::WeightInitService::NewStub(channels_[0])) {}

std::shared_ptr<grpc::Channel> RemoteBackend::NewChannel() const {
  if (token_.empty()) {
    return grpc::CreateCustomChannel(target_.uri, credentials_, Arguments(options_, target_));
  }
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<TokenSenderFactory>(token_));
  return grpc::experimental::CreateCustomChannelWithInterceptors(
      target_.uri, credentials_, Arguments(options_, target_), std::move(interceptors));
}

std::vector<std::shared_ptr<grpc::Channel>> RemoteBackend::Channels(int count) {
  const std::lock_guard lock(mutex_);
  while (channels_.size() < static_cast<std::size_t>(count)) channels_.push_back(NewChannel());
  return {channels_.begin(), channels_.begin() + count};
}

absl::Status RemoteBackend::Ask(
    const std::stop_token& stop,
    const std::function<absl::StatusOr<grpc::Status>(Call&, Tries&)>& once) {
  const Deadline deadline = DeadlineOf(options_);
  Tries tries(*channels_[0], options_.retry_for, options_.on_break, deadline, stop);
  for (;;) {
    tries.Begin();
    Call call(deadline, stop);
    const absl::StatusOr<grpc::Status> end = once(call, tries);
    if (!end.ok()) return end.status();
    absl::Status status = call.Result(*end, options_.target);
    if (status.ok()) return status;
    if (status = tries.WaitAfter(status); !status.ok()) return status;
  }
}

absl::StatusOr<PlanAnswer> RemoteBackend::Plan(const Recipe& recipe, std::stop_token stop) {
  v1::PlanRequest request;
  *request.mutable_recipe() = proto::ToProto(recipe);
  std::optional<PlanMerger> merger;
  const absl::Status status = Ask(stop, [&](Call& call, Tries&) -> absl::StatusOr<grpc::Status> {
    merger.emplace(recipe.tensors.size());
    const auto reader = stub_->Plan(call.context(), request);
    v1::PlanResponse response;
    while (reader->Read(&response)) {
      if (absl::Status taken = merger->Take(response); !taken.ok()) {
        return Abandon(call, *reader, taken);
      }
    }
    return reader->Finish();
  });
  if (!status.ok()) return status;
  return merger->Finish();
}

absl::Status RemoteBackend::Read(const Model& model, std::span<const Selection> selections,
                                 const ReadOptions& options, Receiver& receiver,
                                 std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  int connections = options_.connections;
  if (receiver.in_order()) {
    connections = 1;
  } else if (connections == 0) {
    connections = AutomaticConnections(
        *bound, static_cast<int>(std::thread::hardware_concurrency()), target_.may_be_several);
  }
  Transfer transfer(model, selections, *bound,
                    {.digest = options.digest,
                     .deadline = DeadlineOf(options_),
                     .retry_for = options_.retry_for,
                     .target = options_.target,
                     .on_break = options_.on_break},
                    known_, receiver);
  return transfer.Run(Channels(connections), stop);
}

absl::Status RemoteBackend::Summarize(
    const Model& model, std::span<const Selection> selections, int histogram_bins,
    const std::function<absl::Status(const v1::SummarizeResponse&)>& take, std::stop_token stop) {
  absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(model.plan, selections);
  if (!bound.ok()) return bound.status();
  const auto name_of = [&](std::size_t i) -> const std::string& {
    return model.plan.tensors[static_cast<std::size_t>((*bound)[i].tensor)].name;
  };
  v1::SummarizeRequest request;
  *request.mutable_recipe() = proto::ToProto(model.recipe);
  request.set_histogram_bins(static_cast<std::uint32_t>(histogram_bins));
  std::size_t first = 0, next = 0;  // that this call asks for; that is to come
  const auto check_and_take = [&](v1::SummarizeResponse& response) {
    if (next == bound->size() || response.selection() != next - first ||
        response.name() != name_of(next) ||
        response.count() != static_cast<std::uint64_t>((*bound)[next].count)) {
      return absl::DataLossError("the server describes another tensor than was asked for");
    }
    response.set_selection(static_cast<std::uint32_t>(next));
    ++next;
    return take(response);
  };

  return Ask(stop, [&](Call& call, Tries& tries) -> absl::StatusOr<grpc::Status> {
    request.clear_selections();
    first = next;
    for (std::size_t i = first; i < bound->size() && (first > 0 || !selections.empty()); ++i) {
      Selection selection;
      if (selections.empty()) {
        selection.name = name_of(i);
      } else {
        selection = selections[i];
      }
      *request.add_selections() = proto::ToProto(selection);
    }
    const auto reader = stub_->Summarize(call.context(), request);
    v1::SummarizeResponse response;
    while (reader->Read(&response)) {
      if (absl::Status status = check_and_take(response); !status.ok()) {
        return Abandon(call, *reader, status);
      }
    }
    const grpc::Status end = reader->Finish();
    if (end.ok() && next < bound->size()) {
      return absl::DataLossError("the server described fewer tensors than were asked for");
    }
    if (next > first) {
      tries.Progressed();
      if (next == bound->size()) return grpc::Status::OK;  // after the last it is too late to fail
    }
    return end;
  });
}

absl::StatusOr<v1::GetCapabilitiesResponse> RemoteBackend::GetCapabilities(std::stop_token stop) {
  v1::GetCapabilitiesResponse response;
  const absl::Status status = Ask(stop, [&](Call& call, Tries&) {
    return stub_->GetCapabilities(call.context(), {}, &response);
  });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<Health> RemoteBackend::CheckHealth(std::stop_token stop) {
  // gRPC connects while somebody waits for it: who asks again and again finds what has come up.
  channels_[0]->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  const auto stub = grpc::health::v1::Health::NewStub(channels_[0]);
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(v1::WeightInitService::service_full_name());
  grpc::health::v1::HealthCheckResponse response;
  const absl::Status status = Ask(
      stop, [&](Call& call, Tries&) { return stub->Check(call.context(), request, &response); });
  if (!status.ok()) return status;
  return response.status() == grpc::health::v1::HealthCheckResponse::SERVING ? Health::kServing
                                                                             : Health::kNotServing;
}

}  // namespace weightinit::client
