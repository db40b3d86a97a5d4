// Servers that bench/wire.py compares ours with:
//
//  * `wire_peer raw ADDRESS` answers 8 bytes, a count, with as many bytes of a constant buffer
//  * `wire_peer protobuf ADDRESS`: the same values as ordinary protobuf messages, a `bytes` field,
//    written by a blocking generated service; GetCapabilities answers nothing
//
// Says "serving ADDRESS" once it does, and serves until it is killed.
#include <grpcpp/grpcpp.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "bench/wire_socket.h"
#include "server/listen_address.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::bench {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

void Announce(const std::string& address) { std::cout << "serving " << address << std::endl; }

void SendRaw(StreamSocket peer) {
  const std::vector<std::byte> chunk(kChunkBytes, std::byte{1});
  std::uint64_t left = 0;
  while (peer.Receive(std::as_writable_bytes(std::span(&left, 1)))) {
    while (left > 0) {
      const std::size_t size = std::min<std::uint64_t>(left, chunk.size());
      if (!peer.Send(std::span(chunk).first(size))) return;
      left -= size;
    }
  }
}

[[noreturn]] void ServeRaw(const std::string& address) {
  const StreamSocket listener = StreamSocket::Listen(address);
  Announce(server::UnixSocketPath(address) ? address : server::WithPort(address, listener.port()));
  for (;;) std::thread(SendRaw, listener.Accept()).detach();
}

// What one gets by following gRPC's tutorial. An empty call is answered by a callback, as ours are.
class PlainService final : public v1::WeightInitService::WithCallbackMethod_GetCapabilities<
                               v1::WeightInitService::Service> {
 public:
  grpc::Status InitializeTensor(grpc::ServerContext*, const v1::InitializeTensorRequest* request,
                                grpc::ServerWriter<v1::WeightChunk>* writer) override {
    v1::WeightChunk chunk;  // filled once: what is compared is the way to the wire
    chunk.set_values(std::string(kChunkBytes, '\1'));
    for (std::uint64_t offset = 0; offset < request->byte_count();
         offset += chunk.values().size()) {
      chunk.set_byte_offset(offset);
      const std::uint64_t left = request->byte_count() - offset;
      if (left < kChunkBytes) chunk.mutable_values()->resize(left);
      if (!writer->Write(chunk)) break;
    }
    return grpc::Status::OK;
  }
  grpc::ServerUnaryReactor* GetCapabilities(grpc::CallbackServerContext* context,
                                            const v1::GetCapabilitiesRequest*,
                                            v1::GetCapabilitiesResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

[[noreturn]] void Serve(grpc::Service& service, const std::string& address) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) std::exit(1);
  Announce(server::WithPort(address, port));
  server->Wait();
  std::exit(0);
}

}  // namespace
}  // namespace weightinit::bench

int main(int argc, char** argv) {
  using namespace weightinit::bench;
  // As the programs do. Without it, the plain protobuf path takes a fresh mapping per message.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 2 && arguments[0] == "raw") ServeRaw(arguments[1]);
  if (arguments.size() == 2 && arguments[0] == "protobuf") {
    PlainService service;
    Serve(service, arguments[1]);
  }
  std::cerr << "wire_peer raw ADDRESS | protobuf ADDRESS\n";
  return 2;
}
