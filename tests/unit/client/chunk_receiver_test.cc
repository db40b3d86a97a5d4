// Servers that are broken or hostile: nothing but what was asked for gets through.
#include "client/chunk_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "client/local_backend.h"
#include "proto/convert.h"
#include "tests/unit/client/testing.h"
#include "weightinit/engine.h"

namespace weightinit::client {
namespace {

using ::testing::HasSubstr;

// A model of two tensors, and what an honest server sends for two selections of it.
class ChunkReceiverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    model_ = ModelOf({Tensor("a", {8, 6}), Tensor("b", {5}, Uniform(), DType::kFloat64)});
    selections_ = {Select("a", Box{{{2, 3, 2}, {1, 4, {}}}}), Select("b")};
    absl::StatusOr<std::vector<BoundSelection>> bound = BindAll(plan_, selections_);
    ASSERT_TRUE(bound.ok()) << bound.status();
    bound_ = *std::move(bound);
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      const auto [values, digest] = Draw(plan_, bound_[i]);
      const std::size_t half = values.size() / 16 * 8;
      v1::WeightChunk first, last;
      first.set_selection(static_cast<std::uint32_t>(i));
      *first.mutable_header() = proto::HeaderToProto(plan_, bound_[i]);
      first.set_values(values.substr(0, half));
      last.set_selection(static_cast<std::uint32_t>(i));
      last.set_byte_offset(half);
      last.set_values(values.substr(half));
      last.mutable_trailer()->set_digest(digest);
      honest_.push_back(first);
      honest_.push_back(last);
      values_.push_back(values);
    }
  }

  absl::Status Receive(const std::vector<v1::WeightChunk>& chunks, bool digest = true) {
    ChunkReceiver receiver(plan_, bound_, digest, collector_);
    for (const v1::WeightChunk& chunk : chunks) {
      grpc::ByteBuffer message = InSlices(chunk.SerializeAsString(), slice_bytes_);
      const absl::StatusOr<ChunkMessage> parsed = ParseChunk(message);
      if (!parsed.ok()) return parsed.status();
      if (absl::Status status = receiver.Take(*parsed); !status.ok()) return status;
    }
    return receiver.Finish();
  }

  Model model_;
  const ModelPlan& plan_ = model_.plan;
  std::vector<Selection> selections_;
  std::vector<BoundSelection> bound_;
  std::vector<v1::WeightChunk> honest_;
  std::vector<std::string> values_;
  std::size_t slice_bytes_ = 1 << 20;
  Collector collector_;
};

TEST_F(ChunkReceiverTest, AnHonestServerIsTaken) {
  EXPECT_TRUE(Receive(honest_).ok());
  EXPECT_EQ(collector_.values, values_);
  ASSERT_EQ(collector_.digests.size(), 2u);
  EXPECT_EQ(collector_.digests[0], honest_[1].trailer().digest());
}

TEST_F(ChunkReceiverTest, SlicesMayCutAnything) {
  for (slice_bytes_ = 1; slice_bytes_ < 200; ++slice_bytes_) {
    collector_.values.clear();
    const absl::Status status = Receive(honest_);
    EXPECT_TRUE(status.ok()) << slice_bytes_ << ": " << status;
    EXPECT_EQ(collector_.values, values_) << slice_bytes_;
  }
}

TEST_F(ChunkReceiverTest, SaysHowFarItCame) {
  ChunkReceiver receiver(plan_, bound_, /*digest=*/true, collector_);
  EXPECT_EQ(receiver.elements_taken(), 0);
  const std::int64_t halves[] = {6, 0, 2, 0};  // of 12 float32 and 5 float64
  for (std::size_t i = 0; i < honest_.size(); ++i) {
    grpc::ByteBuffer message = InSlices(honest_[i].SerializeAsString(), 7);
    ASSERT_TRUE(receiver.Take(*ParseChunk(message)).ok());
    EXPECT_EQ(receiver.selections_done(), (i + 1) / 2);
    EXPECT_EQ(receiver.elements_taken(), halves[i]);
    const BoundSelection& current = bound_[i / 2];
    EXPECT_EQ(receiver.digest(), Draw(plan_, Part(current, 0, halves[i])).digest);
  }
}

TEST_F(ChunkReceiverTest, EveryLieIsFound) {
  using Chunks = std::vector<v1::WeightChunk>;
  struct Lie {
    std::function<void(Chunks&)> tell;
    const char* answer;
  };
  const Lie lies[] = {
      {[](Chunks& c) { c[0].set_selection(1); }, "selection 1 where selection 0 belongs"},
      {[](Chunks& c) { c[0].set_selection(4000000000u); }, "where selection 0 belongs"},
      {[](Chunks& c) { c[0].clear_header(); }, "without header"},
      {[](Chunks& c) { *c[1].mutable_header() = c[0].header(); }, "a second header"},
      {[](Chunks& c) { c[0].mutable_header()->set_name("b\x1b[2J"); }, "names 'b\\x1b[2J'"},
      {[](Chunks& c) { c[0].mutable_header()->add_shape(1); }, "another shape than [3, 4]"},
      {[](Chunks& c) { c[0].mutable_header()->set_shape(0, INT64_MAX); }, "another shape"},
      {[](Chunks& c) { c[0].mutable_header()->set_shape(0, -3); }, "another shape"},
      {[](Chunks& c) { c[0].mutable_header()->set_dtype(v1::FLOAT64); }, "another dtype"},
      {[](Chunks& c) { c[0].mutable_header()->set_dtype(static_cast<v1::DType>(77)); },
       "another dtype"},
      {[](Chunks& c) { c[0].mutable_header()->set_total_bytes(UINT64_MAX); }, "bytes, not 48"},
      {[](Chunks& c) { c[0].mutable_header()->set_fingerprint("x"); }, "to other numbers"},
      {[](Chunks& c) { c[0].mutable_header()->clear_fingerprint(); }, "to other numbers"},
      {[](Chunks& c) { c[1].set_byte_offset(c[1].byte_offset() + 4); }, "where byte 24 belongs"},
      {[](Chunks& c) { c[1].set_byte_offset(0); }, "at byte 0 where byte 24 belongs"},
      {[](Chunks& c) { c[0].set_byte_offset(UINT64_MAX); }, "where byte 0 belongs"},
      {[](Chunks& c) { c[1].mutable_values()->append("1234"); }, "more bytes than asked for"},
      {[](Chunks& c) { c[0].mutable_values()->append(1 << 20, 'x'); }, "more bytes than asked for"},
      {[](Chunks& c) { c[1].mutable_values()->resize(20); }, "ends 4 bytes too early"},
      {[](Chunks& c) { c[0].mutable_values()->resize(22); }, "cuts an element"},
      {[](Chunks& c) { c[1].mutable_values()->at(3) ^= 1; }, "digest of the bytes is not"},
      {[](Chunks& c) { c[1].mutable_trailer()->set_digest(1); }, "digest of the bytes is not"},
      {[](Chunks& c) { c[1].mutable_trailer()->clear_digest(); }, "is missing"},
      {[](Chunks& c) { c[0].mutable_trailer(); }, "ends 24 bytes too early"},
      {[](Chunks& c) { c.erase(c.begin()); }, "without header"},
      {[](Chunks& c) { c.erase(c.begin() + 1); }, "selection 1 where selection 0 belongs"},
      {[](Chunks& c) { c.insert(c.begin() + 1, c[1]); }, "selection 0 where selection 1 belongs"},
      {[](Chunks& c) { std::swap(c[0], c[2]); }, "where selection 0 belongs"},
      {[](Chunks& c) { c.push_back(c[3]); }, "chunks after the last one"},
      {[](Chunks& c) { c.pop_back(); }, "ends in the middle"},
      {[](Chunks& c) { c.resize(2); }, "it is missing"},
      {[](Chunks& c) { c.clear(); }, "it is missing"},
      {[](Chunks& c) {
         v1::WeightChunk empty;
         empty.set_byte_offset(24);
         c.insert(c.begin() + 1, empty);
       },
       "a chunk without values"},
  };
  for (const Lie& lie : lies) {
    std::vector<v1::WeightChunk> chunks = honest_;
    lie.tell(chunks);
    const absl::Status status = Receive(chunks);
    EXPECT_FALSE(status.ok()) << lie.answer;
    EXPECT_THAT(std::string(status.message()), HasSubstr(lie.answer));
  }
}

TEST_F(ChunkReceiverTest, WithoutDigestNoneIsExpected) {
  honest_[1].mutable_trailer()->clear_digest();
  honest_[3].mutable_trailer()->clear_digest();
  EXPECT_TRUE(Receive(honest_, /*digest=*/false).ok());
}

TEST_F(ChunkReceiverTest, AnEmptySelectionIsOneChunk) {
  bound_ = {*Bind(plan_, Select("b", Range{2, 0, {}}), "s")};
  v1::WeightChunk chunk;
  *chunk.mutable_header() = proto::HeaderToProto(plan_, bound_[0]);
  chunk.mutable_trailer()->set_digest(0);
  EXPECT_TRUE(Receive({chunk}).ok());
  chunk.set_values("12345678");
  EXPECT_FALSE(Receive({chunk}).ok());
}

TEST_F(ChunkReceiverTest, PartsOfASliceKeepItsOffsets) {
  Selection part = Select("b");
  part.first_byte = 16;
  part.byte_count = 8;
  bound_ = {*Bind(plan_, part, "s")};
  v1::WeightChunk chunk;
  *chunk.mutable_header() = proto::HeaderToProto(plan_, bound_[0]);
  chunk.set_byte_offset(16);
  chunk.set_values(values_[1].substr(16, 8));
  chunk.mutable_trailer();
  EXPECT_TRUE(Receive({chunk}, /*digest=*/false).ok());
  EXPECT_EQ(collector_.values[0].substr(16), values_[1].substr(16, 8));
}

TEST_F(ChunkReceiverTest, ErrorsOfTheReceiverEndTheRead) {
  collector_.error = absl::ResourceExhaustedError("full");
  EXPECT_EQ(Receive(honest_).message(), "full");
}

TEST_F(ChunkReceiverTest, ThisProcessGivesTheSameInAnyOrder) {
  LocalBackend backend(EngineOptions{.threads = 2});
  for (const bool ordered : {false, true}) {
    Collector collector;
    collector.ordered = ordered;
    ASSERT_TRUE(backend.Read(model_, selections_, {}, collector, {}).ok());
    EXPECT_EQ(collector.values, values_);
    EXPECT_EQ(collector.digests[0], honest_[1].trailer().digest());
    EXPECT_EQ(collector.digests[1], honest_[3].trailer().digest());
    collector.error = absl::ResourceExhaustedError("full");
    EXPECT_EQ(backend.Read(model_, selections_, {}, collector, {}).message(), "full");
  }
}

TEST_F(ChunkReceiverTest, AStoppedReadIsCancelled) {
  LocalBackend backend(EngineOptions{.threads = 2});
  const Model model = ModelOf({Tensor("large", {4096, 4096})});
  std::stop_source stop;
  stop.request_stop();
  Collector collector;
  EXPECT_EQ(backend.Read(model, {}, {}, collector, stop.get_token()).code(),
            absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace weightinit::client
