// WeightChunk messages, whose encoding and reading are written by hand: against Protocol Buffers.
// The first byte says which, and in pieces of how many bytes a message is read.
#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "client/chunk_message.h"
#include "server/envelope.h"
#include "tests/fuzz/message_from_bytes.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::fuzz {
namespace {

grpc::ByteBuffer InPieces(const std::string& bytes, std::size_t piece) {
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    slices.emplace_back(bytes.data() + at, std::min(piece, bytes.size() - at));
  return {slices.data(), slices.size()};
}

// The client reads what the parser of messages reads, and sees the same. It may take more: its
// library reads a number of too many bits where the parser refuses it.
void Read(const std::string& bytes, std::size_t piece) {
  grpc::ByteBuffer message = InPieces(bytes, piece);
  const auto ours = client::ParseChunk(message);
  v1::WeightChunk theirs;
  if (!theirs.ParseFromString(bytes)) return;
  if (!ours.ok()) std::abort();
  std::string values;
  for (const auto& part : ours->values)
    values.append(reinterpret_cast<const char*>(part.data()), part.size());
  if (values != theirs.values()) std::abort();
  theirs.clear_values();
  if (ours->fields.SerializeAsString() != theirs.SerializeAsString()) std::abort();
}

// The server's envelope with the values behind it is what Protocol Buffers would send, and the
// client reads it.
void Write(const v1::WeightChunk& message, std::size_t piece) {
  server::Chunk chunk;
  chunk.selection = message.selection();
  chunk.byte_offset = message.byte_offset();
  if (message.has_header()) chunk.header = message.header();
  if (message.has_trailer()) chunk.trailer = message.trailer();
  const std::string& values = message.values();
  chunk.values =
      server::BufferPool::Create(std::max<std::size_t>(values.size(), 1), 1)->Take(values.size());
  std::transform(values.begin(), values.end(), chunk.values.bytes().begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  const std::string bytes = server::Envelope(chunk) + values;
  if (bytes != message.SerializeAsString()) std::abort();
  grpc::ByteBuffer buffer = InPieces(bytes, piece);
  if (const auto read = client::ParseChunk(buffer);
      !read.ok() || read->num_bytes() != values.size())
    std::abort();
}

}  // namespace
}  // namespace weightinit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weightinit;
  if (size == 0) return 0;
  const std::size_t piece = data[0] / 2 % 32 + 1u;
  if (data[0] % 2 == 0) {
    fuzz::Read({reinterpret_cast<const char*>(data + 1), size - 1}, piece);
  } else {
    v1::WeightChunk message;
    fuzz::MessageFromBytes(data + 1, size - 1).Fill(message);
    fuzz::Write(message, piece);
  }
  return 0;
}
