// A received message, taken apart where it lies: its values are not copied.
#ifndef WEIGHTINIT_CLIENT_CHUNK_MESSAGE_H_
#define WEIGHTINIT_CLIENT_CHUNK_MESSAGE_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/support/byte_buffer.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::client {

struct ChunkMessage {
  v1::WeightChunk fields;  // all but `values`
  // The values, one piece after the other, as the transport received them: a piece may end within
  // an element. Valid as long as the message that they lie in.
  std::vector<std::span<const std::byte>> values;

  std::size_t num_bytes() const;
};

// Errors: DATA_LOSS for bytes that are no WeightChunk.
absl::StatusOr<ChunkMessage> ParseChunk(grpc::ByteBuffer& message);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CHUNK_MESSAGE_H_
