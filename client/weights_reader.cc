#include "client/weights_reader.h"

#include <string>

#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::client {

WeightsReader::WeightsReader(const std::shared_ptr<grpc::Channel>& channel,
                             grpc::ClientContext& context,
                             const v1::InitializeModelRequest& request)
    : context_(context), stub_(channel) {
  static const std::string method =
      "/" + std::string(v1::WeightInitService::service_full_name()) + "/InitializeModel";
  context.set_initial_metadata_corked(true);  // one packet for the call and its request
  call_ = stub_.PrepareCall(&context, method, &queue_);
  call_->StartCall(nullptr);  // of a corked call, nothing to wait for
  // Not waited for: the first read ends after it, and a call that cannot start says why in Finish.
  call_->WriteLast(request, grpc::WriteOptions(), nullptr);
}

WeightsReader::~WeightsReader() {
  if (!is_finished_) {
    context_.TryCancel();
    Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  for (bool ok = false; queue_.Next(&tag, &ok);) {
  }
}

bool WeightsReader::Read(grpc::ByteBuffer* message) {
  message->Clear();
  call_->Read(message, this);
  return Wait();
}

grpc::Status WeightsReader::Finish() {
  is_finished_ = true;
  grpc::Status status;
  call_->Finish(&status, this);
  Wait();
  return status;
}

bool WeightsReader::Wait() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    if (tag == this) return ok;
  }
  return false;
}

}  // namespace weightinit::client
