// A server of the right bits, but for what it is told to do wrong.
#ifndef WEIGHTINIT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
#define WEIGHTINIT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "grpcpp/grpcpp.h"
#include "proto/convert.h"
#include "proto/convert_status.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::client {

// What becomes of one call for values.
struct Script {
  // So many bytes of values come, in whole chunks and elements; then the call ends so.
  std::int64_t num_bytes = std::numeric_limits<std::int64_t>::max();
  grpc::Status status = grpc::Status::OK;
  bool wrong_bits = false;  // in the first value of each chunk
  bool hang = false;        // instead of ending, until the caller is gone
};

inline Script Busy(std::chrono::milliseconds retry_delay) {
  Script script;
  script.num_bytes = 0;
  script.status = proto::ToGrpcStatus(proto::WithDetails(
      absl::ResourceExhaustedError("all streams are taken"),
      {.reason = std::string(proto::kServerBusy), .metadata = {}, .retry_delay = retry_delay}));
  return script;
}

// Sends this much, and then nothing, until its caller goes away.
inline Script HangAfter(std::int64_t num_bytes) {
  Script script;
  script.num_bytes = num_bytes;
  script.hang = true;
  return script;
}

inline Script BreakAfter(std::int64_t num_bytes) {
  Script script;
  script.num_bytes = num_bytes;
  script.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the cable");
  return script;
}

class FakeServer final : public v1::WeightInitService::Service {
 public:
  explicit FakeServer(const std::string& address = "127.0.0.1:0", std::int64_t chunk_bytes = 1000);
  ~FakeServer() override;

  // "127.0.0.1:4711".
  const std::string& address() const { return address_; }

  // What the next call does that no script was given for yet. Later ones are answered well.
  void Next(Script script);
  // What all calls do.
  void Always(Script script);

  // What the next call for summaries does: so many come, then it ends so.
  void NextSummaries(std::size_t count, const grpc::Status& status);

  // As after a restart: fingerprints are unknown until a recipe comes.
  void Forget();
  void ForgetAfterEach() { forgets_ = true; }  // call for values
  // As if another client had asked for it.
  void Teach(const Recipe& recipe);

  // More calls for values at once than this are told to come back after 50 ms.
  void set_max_streams(int max_streams) { max_streams_ = max_streams; }

  std::vector<v1::InitializeModelRequest> requests() const;
  std::vector<v1::SummarizeRequest> summaries() const;
  // Connections that calls for values came over, one for each call.
  std::vector<std::string> peers() const;
  std::int64_t bytes_sent() const { return bytes_sent_; }
  // Calls that found their caller gone.
  int cancelled() const { return cancelled_; }

 private:
  grpc::Status InitializeModel(grpc::ServerContext* context,
                               const v1::InitializeModelRequest* request,
                               grpc::ServerWriter<v1::WeightChunk>* writer) override;
  grpc::Status Summarize(grpc::ServerContext* context, const v1::SummarizeRequest* request,
                         grpc::ServerWriter<v1::SummarizeResponse>* writer) override;
  grpc::Status Answer(grpc::ServerContext* context, const v1::InitializeModelRequest& request,
                      grpc::ServerWriter<v1::WeightChunk>* writer);
  // A request that is not understood takes none.
  Script TakeScript(const v1::InitializeModelRequest& request, const std::string& peer,
                    bool is_understood);
  // nullopt: a fingerprint that is not known.
  std::optional<ModelPlan> Find(const proto::RecipeSource& source);

  const std::int64_t chunk_bytes_;
  mutable std::mutex mutex_;
  std::deque<Script> scripts_;
  Script always_;
  std::vector<v1::InitializeModelRequest> requests_;
  std::vector<v1::SummarizeRequest> summaries_;
  std::deque<std::pair<std::size_t, grpc::Status>> summary_scripts_;
  std::vector<std::string> peers_;
  std::map<Fingerprint, Recipe> recipes_;  // seen
  std::atomic<std::int64_t> bytes_sent_{0};
  std::atomic<int> cancelled_{0}, streams_{0}, max_streams_{1000};
  std::atomic<bool> forgets_{false};
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_TESTS_UNIT_CLIENT_FAKE_SERVER_H_
