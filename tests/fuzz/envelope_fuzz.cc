// The client's own reader of WeightChunk messages against Protocol Buffers' parser, of the same bytes in pieces.
#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "client/chunk_message.h"
#include "weightinit/v1/service.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weightinit;
  if (size == 0) return 0;
  const std::size_t piece = data[0] % 32 + 1u;
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 1; at < size; at += piece)
    slices.emplace_back(data + at, std::min(piece, size - at));
  grpc::ByteBuffer message(slices.data(), slices.size());
  const auto ours = client::ParseChunk(message);
  v1::WeightChunk theirs;
  const bool is_message = theirs.ParseFromArray(data + 1, static_cast<int>(size - 1));
  if (ours.ok() && !is_message) std::abort();
  if (!ours.ok()) return 0;  // it may be stricter: what no server sends
  std::string values;
  for (const auto& part : ours->values)
    values.append(reinterpret_cast<const char*>(part.data()), part.size());
  if (values != theirs.values()) std::abort();
  return 0;
}
