#include "client/chunk_message.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace weightinit::client {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr std::uint32_t kValuesTag = WireFormatLite::MakeTag(
    v1::WeightChunk::kValuesFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);

// The next field's bytes, without copying them.
bool TakeValues(CodedInputStream& in, std::vector<std::span<const std::byte>>& values) {
  std::uint32_t left = 0;
  if (!in.ReadVarint32(&left)) return false;
  values.clear();  // the last of several counts
  while (left > 0) {
    const void* data = nullptr;
    int size = 0;
    if (!in.GetDirectBufferPointer(&data, &size) || size == 0) return false;
    size = static_cast<int>(std::min(static_cast<std::uint32_t>(size), left));
    values.push_back({static_cast<const std::byte*>(data), static_cast<std::size_t>(size)});
    left -= static_cast<std::uint32_t>(size);
    if (!in.Skip(size)) return false;
  }
  return true;
}

// Copies all other fields to `fields`.
bool Split(CodedInputStream& in, std::string& fields,
           std::vector<std::span<const std::byte>>& values) {
  google::protobuf::io::StringOutputStream stream(&fields);
  google::protobuf::io::CodedOutputStream out(&stream);
  while (const std::uint32_t tag = in.ReadTag()) {
    if (tag == kValuesTag ? !TakeValues(in, values) : !WireFormatLite::SkipField(&in, tag, &out)) {
      return false;
    }
  }
  return in.ConsumedEntireMessage();
}

}  // namespace

std::size_t ChunkMessage::num_bytes() const {
  std::size_t sum = 0;
  for (const auto& piece : values) sum += piece.size();
  return sum;
}

absl::StatusOr<ChunkMessage> ParseChunk(grpc::ByteBuffer& message) {
  ChunkMessage chunk;
  std::string fields;
  grpc::ProtoBufferReader reader(&message);
  bool is_well_formed = reader.status().ok();
  if (is_well_formed) {
    CodedInputStream in(&reader);
    is_well_formed = Split(in, fields, chunk.values);
  }
  if (!is_well_formed || !chunk.fields.ParseFromString(fields)) {
    return absl::DataLossError("the server's answer is no weightinit.v1.WeightChunk");
  }
  return chunk;
}

}  // namespace weightinit::client
