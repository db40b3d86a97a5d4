#include "server/envelope.h"

#include <cstdint>

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::server {

std::string Envelope(const Chunk& chunk) {
  v1::WeightChunk small;
  small.set_selection(chunk.selection);
  small.set_byte_offset(chunk.byte_offset);
  if (chunk.header) *small.mutable_header() = *chunk.header;
  if (chunk.trailer) *small.mutable_trailer() = *chunk.trailer;
  std::string bytes = small.SerializeAsString();
  if (chunk.values.bytes().empty()) return bytes;

  // (15 << 3) | 2: length-delimited. `values` is last in field order, and parsers take any order.
  constexpr std::uint32_t kValuesTag =
      (static_cast<std::uint32_t>(v1::WeightChunk::kValuesFieldNumber) << 3) | 2;
  google::protobuf::io::StringOutputStream stream(&bytes);  // appends
  google::protobuf::io::CodedOutputStream out(&stream);
  out.WriteTag(kValuesTag);
  out.WriteVarint32(static_cast<std::uint32_t>(chunk.values.bytes().size()));
  return bytes;
}

}  // namespace weightinit::server
