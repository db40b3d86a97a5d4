// Messages are taken apart as the generated code would, in whatever slices they arrive.
#include "client/chunk_message.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/unit/client/testing.h"

namespace weightinit::client {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::WeightChunk Chunk(std::size_t num_bytes) {
  v1::WeightChunk chunk;
  chunk.set_selection(3);
  chunk.mutable_header()->set_name("layer.weight");
  chunk.mutable_header()->add_shape(12);
  chunk.set_byte_offset(1'000'000);
  chunk.mutable_trailer()->set_digest(0x0123456789abcdef);
  for (std::size_t i = 0; i < num_bytes; ++i) {
    chunk.mutable_values()->push_back(static_cast<char>(i * 37));
  }
  return chunk;
}

// The chunk again, from its parts.
v1::WeightChunk Joined(const ChunkMessage& message) {
  v1::WeightChunk chunk = message.fields;
  EXPECT_TRUE(chunk.values().empty());
  for (const auto& piece : message.values) {
    chunk.mutable_values()->append(reinterpret_cast<const char*>(piece.data()), piece.size());
  }
  EXPECT_EQ(message.num_bytes(), chunk.values().size());
  return chunk;
}

TEST(ChunkMessageTest, SlicesMayEndAnywhere) {
  for (const std::size_t num_bytes : {0u, 1u, 2u, 127u, 128u, 300u}) {
    const v1::WeightChunk chunk = Chunk(num_bytes);
    const std::string bytes = chunk.SerializeAsString();
    for (std::size_t slice = 1; slice <= bytes.size(); ++slice) {
      grpc::ByteBuffer message = InSlices(bytes, slice);
      const absl::StatusOr<ChunkMessage> parsed = ParseChunk(message);
      ASSERT_TRUE(parsed.ok()) << parsed.status();
      EXPECT_TRUE(MessageDifferencer::Equals(Joined(*parsed), chunk)) << slice;
    }
  }
}

TEST(ChunkMessageTest, ValuesLieWhereTheyArrived) {
  grpc::ByteBuffer message = InSlices(Chunk(200'000).SerializeAsString(), 65'536);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(message.Dump(&slices).ok());
  const ChunkMessage parsed = ParseChunk(message).value();
  ASSERT_EQ(parsed.values.size(), slices.size());
  for (std::size_t i = 0; i < slices.size(); ++i) {
    EXPECT_EQ(static_cast<const void*>(parsed.values[i].data() + parsed.values[i].size()),
              static_cast<const void*>(slices[i].end()));
  }
}

TEST(ChunkMessageTest, FieldsMayComeInAnyOrderAndMoreThanOnce) {
  v1::WeightChunk first, second, third;
  first.set_values("overwritten");
  second.set_values("values");
  third.set_selection(7);
  const std::string bytes =
      first.SerializeAsString() + second.SerializeAsString() + third.SerializeAsString();
  v1::WeightChunk expected;
  ASSERT_TRUE(expected.ParseFromString(bytes));
  grpc::ByteBuffer message = InSlices(bytes, 5);
  EXPECT_TRUE(MessageDifferencer::Equals(Joined(ParseChunk(message).value()), expected));
}

TEST(ChunkMessageTest, AnEmptyMessageIsAnEmptyChunk) {
  grpc::ByteBuffer message = InSlices("", 1);
  const absl::StatusOr<ChunkMessage> parsed = ParseChunk(message);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->num_bytes(), 0u);
}

// What the generated code refuses or accepts, this does.
void ExpectAsGenerated(const std::string& bytes, std::size_t slice) {
  v1::WeightChunk expected;
  const bool is_chunk = expected.ParseFromString(bytes);
  grpc::ByteBuffer message = InSlices(bytes, slice);
  const absl::StatusOr<ChunkMessage> parsed = ParseChunk(message);
  ASSERT_EQ(parsed.ok(), is_chunk) << parsed.status() << ": " << absl::BytesToHexString(bytes);
  if (!is_chunk) {
    EXPECT_TRUE(absl::IsDataLoss(parsed.status()));
    return;
  }
  EXPECT_EQ(Joined(*parsed).SerializeAsString(), expected.SerializeAsString());
}

TEST(ChunkMessageTest, CutOffIsRefused) {
  const std::string bytes = Chunk(40).SerializeAsString();
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    ExpectAsGenerated(bytes.substr(0, size), 16);
  }
}

TEST(ChunkMessageTest, AnyByteMayBeWrong) {
  const std::string bytes = Chunk(40).SerializeAsString();
  std::mt19937_64 random(1);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string wrong = bytes;
      wrong[at] = static_cast<char>(value);
      ExpectAsGenerated(wrong, 1 + random() % 20);
    }
  }
}

// Tags of more than five bytes are refused by the generated code alone; all else is the same.
TEST(ChunkMessageTest, NonsenseDoesNoHarm) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 20'000; ++trial) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    const std::size_t slice = 1 + random() % 10;
    if (v1::WeightChunk chunk; chunk.ParseFromString(bytes)) {
      ExpectAsGenerated(bytes, slice);
    } else {
      grpc::ByteBuffer message = InSlices(bytes, slice);
      const absl::StatusOr<ChunkMessage> parsed = ParseChunk(message);
      EXPECT_TRUE(parsed.ok() || absl::IsDataLoss(parsed.status())) << parsed.status();
    }
  }
}

}  // namespace
}  // namespace weightinit::client
