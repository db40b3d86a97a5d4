// One streaming call for weights, read message by message without decoding.
//
// The generated stub would copy each message's values into a string; here they stay in the
// transport's own memory until someone takes them (client/chunk_message.h).
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_WEIGHTS_READER_H_
#define WEIGHTINIT_CLIENT_WEIGHTS_READER_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "grpcpp/generic/generic_stub.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::client {

class WeightsReader {
 public:
  // Starts an InitializeModel call. `context` must outlive this and be fresh.
  WeightsReader(const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context,
                const v1::InitializeModelRequest& request);
  // Ends the call if Finish was not called.
  ~WeightsReader();
  WeightsReader(const WeightsReader&) = delete;
  WeightsReader& operator=(const WeightsReader&) = delete;

  // Waits for the next message; false after the last one.
  bool Read(grpc::ByteBuffer* message);

  // What the call came to. Call once, after Read has returned false or the context was cancelled.
  grpc::Status Finish();

 private:
  // Waits for the operation that was started with this as its tag; false if it failed.
  bool Wait();

  grpc::ClientContext& context_;
  grpc::CompletionQueue queue_;
  grpc::TemplatedGenericStub<v1::InitializeModelRequest, grpc::ByteBuffer> stub_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::InitializeModelRequest, grpc::ByteBuffer>>
      call_;
  bool is_finished_ = false;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_WEIGHTS_READER_H_
