// The five calls of weightinit.v1.WeightInitService: carries and limits, computes nothing.
#ifndef WEIGHTINIT_SERVER_SERVICE_H_
#define WEIGHTINIT_SERVER_SERVICE_H_

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "grpcpp/support/byte_buffer.h"
#include "server/buffer_pool.h"
#include "server/call_observer.h"
#include "server/gatekeeper.h"
#include "server/idle_watch.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/request_resolver.h"
#include "server/stream_memory.h"
#include "server/stream_reactor.h"
#include "server/stream_slots.h"
#include "server/worker_pool.h"
#include "weightinit/engine.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::server {

struct Workshop;

// The two calls that send weights are raw: their answers are byte buffers, put together from a
// small header and the values where they were drawn.
using WeightInitServiceBase = v1::WeightInitService::WithRawCallbackMethod_InitializeTensor<
    v1::WeightInitService::WithRawCallbackMethod_InitializeModel<
        v1::WeightInitService::WithCallbackMethod_Plan<
            v1::WeightInitService::WithCallbackMethod_Summarize<
                v1::WeightInitService::WithCallbackMethod_GetCapabilities<
                    v1::WeightInitService::Service>>>>>;

// Thread-safety: safe for use from several threads at once. Must outlive the gRPC server that it is
// registered with; its threads end with it.
class WeightInitService final : public WeightInitServiceBase {
 public:
  // `observers` and `tokens` must outlive the service. Without tokens no one needs one.
  WeightInitService(const ServerOptions& options, std::vector<CallObserver*> observers,
                    const Tokens* tokens = nullptr);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* InitializeTensor(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* InitializeModel(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<v1::PlanResponse>* Plan(grpc::CallbackServerContext* context,
                                                   const v1::PlanRequest* request) override;
  grpc::ServerWriteReactor<v1::SummarizeResponse>* Summarize(
      grpc::CallbackServerContext* context, const v1::SummarizeRequest* request) override;
  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context,
                                            const v1::GetCapabilitiesRequest* request,
                                            v1::GetCapabilitiesResponse* response) override;

  // From now on new streams are refused with UNAVAILABLE, reason DRAINING. Running ones go on.
  void RefuseStreams() { is_draining_.store(true); }

  // Streams that run at the moment.
  int active_streams() const { return slots_.taken(); }
  // When a stream last ended.
  std::chrono::steady_clock::time_point last_stream_end() const { return slots_.last_release(); }
  // Threads that draw.
  int threads() const { return pool_.threads(); }
  // To be called once a second.
  void CutStuckStreams() { watch_.Sweep(std::chrono::steady_clock::now()); }
  // Of streams and caches, at the moment.
  ServerState State() const;

 private:
  // `has_request`: whether the call's request came. `make` makes the producer, of a call that is
  // let in.
  template <typename Message, typename Make>
  grpc::ServerWriteReactor<Message>* Stream(Method method, grpc::CallbackServerContext* context,
                                            bool has_request, Make make);

  Workshop Shop();

  const ServerOptions options_;
  CallObservers observers_;
  Gatekeeper gatekeeper_;
  const Engine engine_;
  const std::shared_ptr<BufferPool> buffers_;
  RequestResolver resolver_;
  StreamSlots slots_;
  StreamMemory memory_;
  IdleWatch watch_;
  std::atomic<bool> is_draining_{false};
  WorkerPool pool_;  // last: its threads use all of the above
};

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_SERVICE_H_
