#include "server/envelope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "server/producers.h"
#include "weightinit/v1/service.pb.h"

namespace weightinit::server {
namespace {

Chunk ChunkOf(const std::string& values) {
  Chunk chunk;
  chunk.values =
      BufferPool::Create(std::max<std::size_t>(values.size(), 1), 1)->Take(values.size());
  std::transform(values.begin(), values.end(), chunk.values.bytes().begin(),
                 [](char c) { return static_cast<std::byte>(c); });
  return chunk;
}

v1::WeightChunk Parsed(const Chunk& chunk, const std::string& values) {
  v1::WeightChunk message;
  EXPECT_TRUE(message.ParseFromString(Envelope(chunk) + values));
  EXPECT_TRUE(message.GetReflection()->GetUnknownFields(message).empty());
  return message;
}

TEST(Envelope, IsAnOrdinaryMessageTogetherWithItsValues) {
  // Sizes at which the length's varint grows.
  for (const std::size_t size : {1u, 127u, 128u, 16383u, 16384u, 2097151u, 2097152u}) {
    const std::string values(size, 'v');
    Chunk chunk = ChunkOf(values);
    chunk.selection = 7;
    chunk.byte_offset = std::uint64_t{1} << 40;
    chunk.header.emplace().set_name("w");
    chunk.trailer.emplace().set_digest(0);
    const v1::WeightChunk message = Parsed(chunk, values);
    EXPECT_EQ(message.selection(), 7u);
    EXPECT_EQ(message.byte_offset(), std::uint64_t{1} << 40);
    EXPECT_EQ(message.header().name(), "w");
    EXPECT_TRUE(message.trailer().has_digest());
    EXPECT_EQ(message.values(), values);
    // What protobuf itself would send: nothing stands behind the values.
    EXPECT_EQ(message.SerializeAsString(), Envelope(chunk) + values);
  }
}

TEST(Envelope, WithoutValuesHasNoTagForThem) {
  const v1::WeightChunk message = Parsed(ChunkOf(""), "");
  EXPECT_FALSE(message.has_header());
  EXPECT_FALSE(message.has_trailer());
  EXPECT_EQ(Envelope(ChunkOf("")), "");
}

TEST(ByteBuffers, HoldTheValuesWhereTheyWereDrawn) {
  const std::string values(100'000, 'x');
  Chunk chunk = ChunkOf(values);
  const void* drawn_at = chunk.values.bytes().data();
  const std::string envelope = Envelope(chunk);
  const grpc::ByteBuffer buffer = ToByteBuffer(std::move(chunk));
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(buffer.Dump(&slices).ok());
  ASSERT_EQ(slices.size(), 2u);
  EXPECT_EQ(std::string(slices[0].begin(), slices[0].end()), envelope);
  EXPECT_EQ(slices[1].begin(), drawn_at);
  EXPECT_EQ(slices[1].size(), values.size());
}

}  // namespace
}  // namespace weightinit::server
