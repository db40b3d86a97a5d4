#include "server/chunk_stream.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/server/testing.h"

namespace weightinit::server {
namespace {

constexpr std::int64_t kChunkBytes = 4096;

std::string Sha256(const std::string& bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return std::string(digest, digest + sizeof digest);
}

class ChunkStreamTest : public ::testing::Test {
 protected:
  ChunkStream Stream(std::vector<PlannedSelection> selections, proto::Check check = {}) {
    return ChunkStream(engine_, BufferPool::Create(kChunkBytes, 4), kChunkBytes,
                       std::move(selections), check);
  }

  std::vector<Chunk> All(ChunkStream& stream) {
    std::vector<Chunk> chunks;
    for (;;) {
      auto next = stream.Next({});
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || !next->has_value()) return chunks;
      chunks.push_back(**std::move(next));
    }
  }

  static std::string Bytes(const Chunk& chunk) {
    return std::string(reinterpret_cast<const char*>(chunk.values.bytes().data()),
                       chunk.values.bytes().size());
  }

  const Engine engine_{EngineOptions{.threads = 1}};
};

TEST_F(ChunkStreamTest, OnlyWhatIsMadeWholeMayTakeLong) {
  const auto plan = PlanOf({Tensor("w", {5}), Tensor("q", {5, 4}, Orthogonal())});
  const std::vector<BoundSelection> all = SelectAll(*plan);
  ChunkStream stream = Stream({{plan, all[0]}, {plan, all[1]}});
  for (const bool is_long : {false, true, false}) {
    EXPECT_EQ(stream.NextEffort() == Effort::kLong, is_long);
    EXPECT_TRUE(stream.Next({}).ok());
  }
}

TEST_F(ChunkStreamTest, TheWayToAStreamsStepMayTakeLong) {
  Recipe recipe;
  recipe.generator = TorchCpu{};
  recipe.tensors = {Tensor("w", {5}), Tensor("v", {2500}, Uniform()), Tensor("z", {5}, Zeros())};
  const auto plan = std::make_shared<const ModelPlan>(Resolve(recipe).value());
  std::vector<PlannedSelection> selections;
  for (const BoundSelection& one : SelectAll(*plan)) selections.push_back({plan, one});
  ChunkStream stream = Stream(selections);
  // w, three chunks of v, and z, which is no part of the stream.
  for (const Effort effort :
       {Effort::kLong, Effort::kLong, Effort::kShort, Effort::kShort, Effort::kTrivial}) {
    EXPECT_EQ(stream.NextEffort(), effort);
    EXPECT_TRUE(stream.Next({}).ok());
  }
  EXPECT_TRUE(stream.is_done());
}

TEST_F(ChunkStreamTest, SmallChunksAndThoseThatAreThereAreTrivial) {
  constexpr std::int64_t kLarge = 64 << 10;
  const auto plan = PlanOf({Tensor("small", {5}), Tensor("large", {kLarge / 2}),
                            Tensor("one", {kLarge / 2}, Constant{.value = 3})});
  const auto efforts = [&](proto::Check check) {
    std::vector<PlannedSelection> selections;
    for (const BoundSelection& one : SelectAll(*plan)) selections.push_back({plan, one});
    ChunkStream stream(engine_, BufferPool::Create(kLarge, 4), kLarge, selections, check);
    std::vector<Effort> seen;
    do seen.push_back(stream.NextEffort());
    while (stream.Next({}).value().has_value());
    return seen;
  };
  constexpr Effort kTrivial = Effort::kTrivial, kShort = Effort::kShort;
  EXPECT_EQ(efforts({}), (std::vector{kTrivial, kShort, kShort, kShort, kTrivial, kTrivial}));
  EXPECT_EQ(efforts({.digest = true, .sha256 = false}),
            (std::vector{kTrivial, kShort, kShort, kShort, kShort, kTrivial}));
  EXPECT_EQ(efforts({.digest = false, .sha256 = true}),
            (std::vector{kShort, kShort, kShort, kShort, kShort, kTrivial}));
}

TEST_F(ChunkStreamTest, ChunksAreTheWholeInOrder) {
  const auto plan = PlanOf({Tensor("w", {50, 60})});  // 12000 bytes: 2 full chunks and a rest
  const BoundSelection whole = SelectAll(*plan)[0];
  ChunkStream stream = Stream({{plan, whole}}, {.digest = true, .sha256 = true});
  const std::vector<Chunk> chunks = All(stream);
  ASSERT_EQ(chunks.size(), 3u);
  std::string bytes;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    EXPECT_EQ(chunks[i].selection, 0u);
    EXPECT_EQ(chunks[i].byte_offset, bytes.size());
    EXPECT_EQ(chunks[i].header.has_value(), i == 0);
    EXPECT_EQ(chunks[i].trailer.has_value(), i + 1 == chunks.size());
    bytes += Bytes(chunks[i]);
  }
  EXPECT_EQ(chunks[0].values.bytes().size(), static_cast<std::size_t>(kChunkBytes));
  EXPECT_EQ(bytes, Drawn(engine_, *plan, whole));
  EXPECT_EQ(chunks[2].trailer->digest(), DigestOfDrawn(engine_, *plan, whole));
  EXPECT_EQ(chunks[2].trailer->sha256(), Sha256(bytes));
}

TEST_F(ChunkStreamTest, TrailersHoldOnlyWhatWasAskedFor) {
  const auto plan = PlanOf({Tensor("w", {3})});
  ChunkStream stream = Stream({{plan, SelectAll(*plan)[0]}});
  const std::vector<Chunk> chunks = All(stream);
  ASSERT_EQ(chunks.size(), 1u);
  EXPECT_FALSE(chunks[0].trailer->has_digest());
  EXPECT_EQ(chunks[0].trailer->sha256(), "");
}

TEST_F(ChunkStreamTest, NothingIsOneChunkWithHeaderAndTrailer) {
  const auto plan = PlanOf({Tensor("w", {3, 0}), Tensor("v", {5})});
  BoundSelection cut = SelectAll(*plan)[1];
  cut.first = 2;
  cut.count = 0;
  ChunkStream stream =
      Stream({{plan, SelectAll(*plan)[0]}, {plan, cut}}, {.digest = true, .sha256 = true});
  const std::vector<Chunk> chunks = All(stream);
  ASSERT_EQ(chunks.size(), 2u);
  for (const Chunk& chunk : chunks) {
    EXPECT_TRUE(chunk.header.has_value());
    ASSERT_TRUE(chunk.trailer.has_value());
    EXPECT_TRUE(chunk.values.bytes().empty());
    EXPECT_TRUE(chunk.trailer->has_digest());
    EXPECT_EQ(chunk.trailer->digest(), 0u);
    EXPECT_EQ(chunk.trailer->sha256(), Sha256(""));
  }
  EXPECT_EQ(chunks[1].selection, 1u);
  EXPECT_EQ(chunks[1].byte_offset, 8u);
}

TEST_F(ChunkStreamTest, SelectionsFollowOneAnotherAndMayRepeat) {
  const auto plan = PlanOf({Tensor("w", {3000}), Tensor("v", {7})});
  const std::vector<BoundSelection> all = SelectAll(*plan);
  ChunkStream stream =
      Stream({{plan, all[1]}, {plan, all[0]}, {plan, all[1]}}, {.digest = true, .sha256 = false});
  std::string bytes[3];
  std::uint64_t digests[3] = {};
  for (const Chunk& chunk : All(stream)) {
    bytes[chunk.selection] += Bytes(chunk);
    if (chunk.trailer) digests[chunk.selection] = chunk.trailer->digest();
  }
  EXPECT_EQ(bytes[0], Drawn(engine_, *plan, all[1]));
  EXPECT_EQ(bytes[1], Drawn(engine_, *plan, all[0]));
  EXPECT_EQ(bytes[2], bytes[0]);
  EXPECT_EQ(digests[1], DigestOfDrawn(engine_, *plan, all[0]));
  EXPECT_EQ(digests[2], digests[0]);
}

TEST_F(ChunkStreamTest, ResumesAtAnyElement) {
  const auto plan = PlanOf({Tensor("w", {40, 100})});
  const std::string whole = Drawn(engine_, *plan, SelectAll(*plan)[0]);
  for (const std::int64_t first_byte : {4, 4092, 4096, 4100, 15996, 16000}) {
    Selection selection;
    selection.name = "w";
    selection.first_byte = first_byte;
    ChunkStream stream = Stream({{plan, Bind(*plan, selection, "").value()}});
    std::string bytes;
    for (const Chunk& chunk : All(stream)) {
      EXPECT_EQ(chunk.byte_offset, static_cast<std::uint64_t>(first_byte) + bytes.size());
      bytes += Bytes(chunk);
    }
    EXPECT_EQ(bytes, whole.substr(static_cast<std::size_t>(first_byte)));
  }
}

TEST_F(ChunkStreamTest, ChunkSizeChangesNoBit) {
  const auto plan = PlanOf({Tensor("w", {33, 77}), Tensor("q", {40, 40}, Orthogonal())});
  for (const BoundSelection& whole : SelectAll(*plan)) {
    const std::string expected = Drawn(engine_, *plan, whole);
    for (const std::int64_t chunk_bytes : {8, 12, 1000, 4096, 1 << 20}) {
      ChunkStream stream(engine_, BufferPool::Create(static_cast<std::size_t>(chunk_bytes), 4),
                         chunk_bytes, {{plan, whole}}, {});
      std::string bytes;
      for (const Chunk& chunk : All(stream)) bytes += Bytes(chunk);
      EXPECT_EQ(bytes, expected) << chunk_bytes;
    }
  }
}

TEST_F(ChunkStreamTest, AChunkOfOneValueIsDrawnOnce) {
  const auto plan =
      PlanOf({Tensor("c", {2500}, Constant{.value = 3}), Tensor("z", {2500}, Zeros())});
  const std::vector<BoundSelection> all = SelectAll(*plan);
  for (const bool digest : {false, true}) {
    ChunkStream stream =
        Stream({{plan, all[0]}, {plan, all[1]}}, {.digest = digest, .sha256 = true});
    EXPECT_EQ(stream.num_bytes(), 20'000);
    const std::vector<Chunk> chunks = All(stream);
    ASSERT_EQ(chunks.size(), 6u);
    for (const std::size_t first : {0u, 3u}) {
      std::string bytes;
      for (std::size_t i = first; i < first + 3; ++i) {
        bytes += Bytes(chunks[i]);
        // A digest depends on where a value stands, so that each chunk is looked at.
        EXPECT_EQ(chunks[i].values.bytes().data() == chunks[first].values.bytes().data(),
                  !digest || i == first);
      }
      const BoundSelection& selection = all[first / 3];
      EXPECT_EQ(bytes, Drawn(engine_, *plan, selection));
      EXPECT_EQ(chunks[first + 2].trailer->sha256(), Sha256(bytes));
      if (digest) {
        EXPECT_EQ(chunks[first + 2].trailer->digest(), DigestOfDrawn(engine_, *plan, selection));
      }
    }
    EXPECT_NE(chunks[0].values.bytes().data(), chunks[3].values.bytes().data());
  }
}

TEST_F(ChunkStreamTest, CancellationStopsAMatrix) {
  const auto plan = PlanOf({Tensor("q", {600, 600}, Orthogonal())});
  ChunkStream stream = Stream({{plan, SelectAll(*plan)[0]}});
  EXPECT_EQ(stream.Next([] { return true; }).status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace weightinit::server
