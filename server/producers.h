// What each streaming call makes its messages with.
#ifndef WEIGHTINIT_SERVER_PRODUCERS_H_
#define WEIGHTINIT_SERVER_PRODUCERS_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "proto/convert.h"
#include "server/buffer_pool.h"
#include "server/call_observer.h"
#include "server/chunk_stream.h"
#include "server/options.h"
#include "server/request_resolver.h"
#include "server/stream_memory.h"
#include "server/stream_reactor.h"
#include "weightinit/engine.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::server {

// What producers work with; all of it outlives them.
struct Workshop {
  const Engine& engine;
  RequestResolver& resolver;
  const std::shared_ptr<BufferPool>& buffers;
  StreamMemory& memory;
  std::int64_t chunk_bytes;
  std::int64_t chunks_per_stream;  // that one may hold at one time
};

// A chunk as a message of two slices, of which the second is the values where they were drawn.
grpc::ByteBuffer ToByteBuffer(Chunk chunk);

// Request is v1::InitializeTensorRequest or v1::InitializeModelRequest. Reading and resolving
// happen in Start, so that they too run on the pool.
template <typename Request>
std::unique_ptr<Producer<grpc::ByteBuffer>> MakeWeights(const Workshop& workshop,
                                                        const grpc::ByteBuffer& request);

std::unique_ptr<Producer<v1::PlanResponse>> MakePlan(const Workshop& workshop,
                                                     const v1::PlanRequest& request);

std::unique_ptr<Producer<v1::SummarizeResponse>> MakeSummaries(const Workshop& workshop,
                                                               const v1::SummarizeRequest& request);

}  // namespace weightinit::server

#endif  // WEIGHTINIT_SERVER_PRODUCERS_H_
