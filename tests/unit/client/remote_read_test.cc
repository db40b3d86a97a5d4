// Reads from servers that break, are busy, hang, lie, or are gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "client/buffer_receiver.h"
#include "client/remote_backend.h"
#include "proto/convert_status.h"
#include "tests/unit/client/fake_server.h"
#include "tests/unit/client/testing.h"

namespace weightinit::client {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr milliseconds kLong = std::chrono::minutes(5);  // longer than any test lasts

class RemoteReadTest : public ::testing::Test {
 protected:
  RemoteReadTest() {
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      expected_.push_back(Draw(model_.plan, bound_[i]));
    }
    collector_.ordered = false;
    options_.retry_for = kLong;
  }

  absl::Status Read(std::span<const Selection> selections = {}, std::stop_token stop = {}) {
    if (options_.target.empty()) options_.target = server_.address();
    return RemoteBackend::Create(options_).value()->Read(model_, selections, {.digest = digest_},
                                                         collector_, std::move(stop));
  }

  void ExpectAll(const absl::Status& status) const {
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(collector_.values.size(), expected_.size());
    std::int64_t num_bytes = 0;
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      EXPECT_TRUE(collector_.values[i] == expected_[i].bytes) << i;
      if (digest_) {
        EXPECT_EQ(collector_.digests[i], expected_[i].digest) << i;
      }
      EXPECT_EQ(collector_.times_done.at(i), 1) << i;
      num_bytes += static_cast<std::int64_t>(expected_[i].bytes.size());
    }
    EXPECT_EQ(collector_.num_bytes, num_bytes);  // nothing came twice
  }

  const Model model_ =
      ModelOf({Tensor("a", {100, 100}), Tensor("b", {3000}, Uniform(), DType::kFloat64),
               Tensor("c", {1}), Tensor("d", {2000}, Normal(), DType::kBFloat16)});
  const std::vector<BoundSelection> bound_ = SelectAll(model_.plan);
  std::vector<DrawnValues> expected_;
  FakeServer server_;
  RemoteOptions options_;
  bool digest_ = true;
  Collector collector_;
};

TEST_F(RemoteReadTest, EverythingInOneCallThatListsNothing) {
  ExpectAll(Read());
  ASSERT_EQ(server_.requests().size(), 1u);
  EXPECT_TRUE(server_.requests()[0].selections().empty());
  EXPECT_TRUE(server_.requests()[0].check().digest());
  EXPECT_TRUE(server_.summaries().empty());
}

TEST_F(RemoteReadTest, ABrokenStreamGoesOnWhereItWas) {
  server_.Next(BreakAfter(4500));    // in the middle of a's 40 000 bytes
  server_.Next(BreakAfter(37'000));  // from there on: in the middle of b
  server_.Next(BreakAfter(0));
  ExpectAll(Read());
  const std::vector<v1::InitializeModelRequest> requests = server_.requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[1].selections(0).name(), "a");
  EXPECT_EQ(requests[1].selections(0).first_byte(), 4500u);
  EXPECT_EQ(requests[1].selections(0).byte_count(), 35'500u);
  EXPECT_EQ(requests[1].selections_size(), 4);
  for (int i = 2; i < 4; ++i) {
    EXPECT_EQ(requests[static_cast<std::size_t>(i)].selections(0).name(), "b");
    EXPECT_EQ(requests[static_cast<std::size_t>(i)].selections(0).first_byte(), 1496u);
    EXPECT_EQ(requests[static_cast<std::size_t>(i)].selections_size(), 3);
  }
  // What has no trailer was asked about by itself.
  ASSERT_EQ(server_.summaries().size(), 2u);
  EXPECT_EQ(server_.summaries()[0].selections(0).first_byte(), 0u);
  EXPECT_EQ(server_.summaries()[0].selections(0).byte_count(), 4500u);
}

TEST_F(RemoteReadTest, ItMayBreakAnywhere) {
  for (std::int64_t bytes = 0; bytes < 69'000; bytes += 4999) {
    Collector fresh;
    FakeServer server;
    server.Next(BreakAfter(769));  // a first break after nothing at all is no break
    server.Next(BreakAfter(bytes));
    options_.target = server.address();
    ASSERT_TRUE(RemoteBackend::Create(options_).value()->Read(model_, {}, {}, fresh, {}).ok());
    for (std::size_t i = 0; i < expected_.size(); ++i) {
      ASSERT_TRUE(fresh.values[i] == expected_[i].bytes) << bytes;
      ASSERT_EQ(fresh.digests[i], expected_[i].digest) << bytes;
    }
  }
}

TEST_F(RemoteReadTest, ABreakAfterTheLastTrailerIsNone) {
  Script script;
  script.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the cable");
  server_.Next(script);
  ExpectAll(Read());
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(RemoteReadTest, SelectionsKeepTheirOwnFirstByte) {
  Selection slice = Select("a", ParseSlice("10:90:2,5:95", Shape{100, 100}).value());
  slice.first_byte = 400;
  slice.byte_count = 8000;
  const std::vector<Selection> selections = {slice, Select("c"), slice};
  server_.Next(BreakAfter(1200));
  ASSERT_TRUE(Read(selections).ok());
  const std::vector<BoundSelection> bound = BindAll(model_.plan, selections).value();
  for (std::size_t i = 0; i < selections.size(); ++i) {
    const DrawnValues expected = Draw(model_.plan, bound[i]);
    const auto first = static_cast<std::size_t>(selections[i].first_byte);
    EXPECT_TRUE(collector_.values[i].substr(first) == expected.bytes) << i;
    EXPECT_EQ(collector_.digests[i], expected.digest) << i;
  }
  EXPECT_EQ(server_.requests()[1].selections(0).first_byte(), 1600u);
  EXPECT_EQ(server_.requests()[1].selections(0).byte_count(), 6800u);
  EXPECT_EQ(server_.requests()[1].selections(0).slice().box().dims(0).step(), 2);
}

TEST_F(RemoteReadTest, WithoutDigestNothingIsCheckedAgain) {
  digest_ = false;
  server_.Next(BreakAfter(4500));
  ExpectAll(Read());
  EXPECT_FALSE(server_.requests()[1].check().digest());
  EXPECT_TRUE(server_.summaries().empty());
}

TEST_F(RemoteReadTest, InOrderMeansOneConnectionAndStillResumes) {
  collector_.ordered = true;
  options_.connections = 4;
  server_.Next(BreakAfter(4500));
  ExpectAll(Read());
  EXPECT_EQ(server_.requests().size(), 2u);
}

TEST_F(RemoteReadTest, WhatCameBeforeABreakIsCheckedToo) {
  Script script = BreakAfter(4500);
  script.wrong_bits = true;
  server_.Next(script);
  const absl::Status status = Read();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor 'a'"));
  EXPECT_TRUE(collector_.times_done.empty());
}

TEST_F(RemoteReadTest, WhatComesAfterABreakIsCheckedAgainstTheTrailer) {
  Script script;
  script.wrong_bits = true;
  server_.Next(BreakAfter(4500));
  server_.Next(script);
  const absl::Status status = Read();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("digest"));
}

TEST_F(RemoteReadTest, AReplicaTakesOver) {
  digest_ = false;  // else every second call, which goes to the other one, would be for that
  FakeServer other;
  server_.Always(BreakAfter(9000));
  other.Always(BreakAfter(11'000));
  options_.target = "ipv4:" + server_.address() + "," + other.address();
  ExpectAll(Read());
  EXPECT_GT(server_.bytes_sent(), 0);
  EXPECT_GT(other.bytes_sent(), 0);
}

TEST_F(RemoteReadTest, AReplicaTakesOverFromOneThatIsGone) {
  digest_ = false;
  FakeServer other;
  auto gone = std::make_unique<FakeServer>();
  options_.target = "ipv4:" + gone->address() + "," + other.address();
  gone->Always(HangAfter(2500));
  other.Always(BreakAfter(2500));  // so that both are asked
  std::thread killer([&] {
    while (gone->bytes_sent() == 0) std::this_thread::sleep_for(milliseconds(5));
    other.Always({});
    gone.reset();
  });
  ExpectAll(Read());
  killer.join();
}

TEST_F(RemoteReadTest, AServerThatComesBackIsFoundAgain) {
  auto server = std::make_unique<FakeServer>();
  options_.target = server->address();
  server->Always(HangAfter(4500));
  std::thread restart([&] {
    while (server->bytes_sent() < 4000) std::this_thread::sleep_for(milliseconds(5));
    server.reset();
    std::this_thread::sleep_for(milliseconds(300));
    server = std::make_unique<FakeServer>(options_.target);
  });
  const absl::Status status = Read();
  restart.join();
  ExpectAll(status);
}

TEST_F(RemoteReadTest, BreaksAreToldOnceEach) {
  std::vector<std::string> told;
  std::mutex mutex;
  options_.on_break = [&](const absl::Status& status) {
    const std::lock_guard lock(mutex);
    told.emplace_back(status.message());
  };
  server_.Next(BreakAfter(4500));
  server_.Next(BreakAfter(0));
  ExpectAll(Read());
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(told[0], HasSubstr("the cable"));
  EXPECT_THAT(told[0], HasSubstr(server_.address()));
}

TEST_F(RemoteReadTest, PatienceEnds) {
  options_.retry_for = milliseconds(300);
  server_.Next(BreakAfter(4500));
  server_.Always(BreakAfter(0));
  const absl::Status status = Read();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("the connection broke after 4500 bytes: " + server_.address()));
  EXPECT_GE(server_.requests().size(), 3u);
}

TEST_F(RemoteReadTest, WithoutPatienceTheFirstBreakIsTheEnd) {
  options_.retry_for = milliseconds(0);
  server_.Next(BreakAfter(4500));
  EXPECT_TRUE(absl::IsUnavailable(Read()));
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(RemoteReadTest, AServerThatWasNeverThereIsNotWaitedFor) {
  { options_.target = FakeServer().address(); }
  const absl::Status status = Read();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(RemoteReadTest, ABreakBeforeAnythingCameIsNoEndOfAServerThatIsThere) {
  server_.Next(BreakAfter(0));
  server_.Next(BreakAfter(0));
  ExpectAll(Read());
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(RemoteReadTest, AServerThatIsKilledBeforeItSentAnythingIsFoundAgain) {
  auto server = std::make_unique<FakeServer>();
  options_.target = server->address();
  server->Always(HangAfter(0));  // as one that makes a matrix
  std::thread restart([&] {
    while (server->requests().empty()) std::this_thread::sleep_for(milliseconds(5));
    server.reset();
    server = std::make_unique<FakeServer>(options_.target);
  });
  const absl::Status status = Read();
  restart.join();
  ExpectAll(status);
}

TEST_F(RemoteReadTest, AProxyWithoutServersIsNotWaitedFor) {
  Script script = BreakAfter(0);
  script.status =
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "Received http2 header with status: 502");
  server_.Always(script);
  EXPECT_TRUE(absl::IsUnavailable(Read()));
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(RemoteReadTest, AFaultOfTheServerIsFinal) {
  Script fault;
  fault.num_bytes = 4500;
  fault.status = proto::ToGrpcStatus(absl::InternalError("a defect"));
  server_.Next(fault);
  EXPECT_TRUE(absl::IsInternal(Read()));
  EXPECT_EQ(server_.requests().size(), 1u);
}

TEST_F(RemoteReadTest, ABusyServerIsAskedAgainWhenItSaid) {
  server_.Next(Busy(milliseconds(200)));
  server_.Next(Busy(milliseconds(200)));
  const auto start = std::chrono::steady_clock::now();
  ExpectAll(Read());
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(400));
  EXPECT_EQ(server_.requests().size(), 3u);
}

TEST_F(RemoteReadTest, ARefusalIsFinal) {
  for (const grpc::StatusCode code :
       {grpc::StatusCode::INVALID_ARGUMENT, grpc::StatusCode::RESOURCE_EXHAUSTED,
        grpc::StatusCode::UNAUTHENTICATED, grpc::StatusCode::UNIMPLEMENTED}) {
    Script refusal;
    refusal.num_bytes = 4500;
    refusal.status = grpc::Status(code, "no");
    server_.Next(refusal);
    const std::size_t before = server_.requests().size();
    EXPECT_FALSE(Read().ok());
    EXPECT_EQ(server_.requests().size(), before + 1);
  }
}

TEST_F(RemoteReadTest, TheDeadlineIsThatOfAllTriesTogether) {
  options_.timeout = milliseconds(700);
  server_.Next(BreakAfter(4500));
  server_.Always(HangAfter(4500));
  const auto start = std::chrono::steady_clock::now();
  const absl::Status status = Read();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(700));
}

TEST_F(RemoteReadTest, TheDeadlineEndsWaiting) {
  options_.timeout = milliseconds(500);
  server_.Next(BreakAfter(4500));
  server_.Always(Busy(kLong / 2));
  EXPECT_TRUE(absl::IsDeadlineExceeded(Read()));
}

TEST_F(RemoteReadTest, StoppingEndsACallAndTellsTheServer) {
  server_.Always(HangAfter(4500));
  std::stop_source stop;
  std::thread stopper([&] {
    while (server_.bytes_sent() == 0) std::this_thread::sleep_for(milliseconds(5));
    stop.request_stop();
  });
  EXPECT_EQ(Read({}, stop.get_token()), absl::CancelledError("interrupted"));
  stopper.join();
  while (server_.cancelled() == 0) std::this_thread::sleep_for(milliseconds(5));
}

TEST_F(RemoteReadTest, StoppingEndsWaiting) {
  server_.Next(BreakAfter(4500));
  server_.Always(BreakAfter(0));
  std::stop_source stop;
  std::thread stopper([&] {
    while (server_.requests().size() < 4) std::this_thread::sleep_for(milliseconds(5));
    stop.request_stop();
  });
  EXPECT_EQ(Read({}, stop.get_token()), absl::CancelledError("interrupted"));
  stopper.join();
}

TEST_F(RemoteReadTest, ErrorsOfTheReceiverEndTheRead) {
  collector_.error = absl::ResourceExhaustedError("the disk is full");
  EXPECT_EQ(Read(), collector_.error);
  EXPECT_EQ(server_.requests().size(), 1u);
}

// Summaries --------------------------------------------------------------------------------------

class RemoteSummaryTest : public RemoteReadTest {
 protected:
  absl::Status Summarize(std::span<const Selection> selections = {}) {
    options_.target = server_.address();
    return RemoteBackend::Create(options_).value()->Summarize(
        model_, selections, 0,
        [this](const v1::SummarizeResponse& response) {
          EXPECT_EQ(response.selection(), digests_.size());
          digests_.push_back(response.digest());
          return absl::OkStatus();
        },
        {});
  }
  std::vector<std::uint64_t> digests_;
};

TEST_F(RemoteSummaryTest, GoOnWithWhatIsLeft) {
  server_.NextSummaries(0, Busy(milliseconds(10)).status);
  server_.NextSummaries(0, BreakAfter(0).status);
  server_.NextSummaries(3, BreakAfter(0).status);
  ASSERT_TRUE(Summarize().ok());
  ASSERT_EQ(digests_.size(), expected_.size());
  for (std::size_t i = 0; i < digests_.size(); ++i) EXPECT_EQ(digests_[i], expected_[i].digest);
  ASSERT_EQ(server_.summaries().size(), 4u);
  EXPECT_TRUE(server_.summaries()[2].selections().empty());
  ASSERT_EQ(server_.summaries()[3].selections_size(), 1);
  EXPECT_EQ(server_.summaries()[3].selections(0).name(), "d");
}

TEST_F(RemoteSummaryTest, GoOnWithTheSelectionsThatAreLeft) {
  const std::vector<Selection> selections = {Select("d"), Select("c"), Select("a")};
  server_.NextSummaries(1, BreakAfter(0).status);
  ASSERT_TRUE(Summarize(selections).ok());
  EXPECT_EQ(digests_, (std::vector{expected_[3].digest, expected_[2].digest, expected_[0].digest}));
  EXPECT_EQ(server_.summaries()[1].selections(0).name(), "c");
}

TEST_F(RemoteSummaryTest, RefusalsAndFewerTensorsAreFinal) {
  server_.NextSummaries(2, grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no"));
  EXPECT_TRUE(absl::IsInvalidArgument(Summarize()));
  digests_.clear();
  server_.NextSummaries(2, grpc::Status::OK);
  EXPECT_TRUE(absl::IsDataLoss(Summarize()));
  EXPECT_EQ(server_.summaries().size(), 2u);
}

// Recipes by fingerprint ------------------------------------------------------------------------

TEST_F(RemoteReadTest, AfterTheFirstCallTheFingerprintIsEnough) {
  server_.Next(BreakAfter(4500));
  server_.Next(BreakAfter(37'000));
  ExpectAll(Read());
  const std::vector<v1::InitializeModelRequest> requests = server_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_TRUE(requests[0].has_recipe());
  for (const std::size_t i : {1u, 2u}) {
    EXPECT_EQ(requests[i].fingerprint(), proto::FingerprintToBytes(model_.plan.fingerprint)) << i;
    EXPECT_EQ(requests[i].selections_size(), i == 1 ? 4 : 3) << i;
  }
  for (const v1::SummarizeRequest& check : server_.summaries())
    EXPECT_TRUE(check.has_fingerprint());
}

TEST_F(RemoteReadTest, AnotherReadNeedsTheRecipeNoMore) {
  options_.target = server_.address();
  const auto backend = RemoteBackend::Create(options_).value();
  for (int i = 0; i < 3; ++i) {
    Collector fresh;
    ASSERT_TRUE(backend->Read(model_, {}, {}, fresh, {}).ok());
    EXPECT_TRUE(fresh.values[3] == expected_[3].bytes);
  }
  ASSERT_EQ(server_.requests().size(), 3u);
  EXPECT_TRUE(server_.requests()[0].has_recipe());
  EXPECT_TRUE(server_.requests()[1].has_fingerprint());
  EXPECT_EQ(server_.requests()[1].selections_size(), 4);
  EXPECT_TRUE(server_.requests()[2].has_fingerprint());
}

TEST_F(RemoteReadTest, AServerThatForgotIsToldAgainAtOnce) {
  options_.retry_for = milliseconds(0);  // so that no try may fail
  options_.target = server_.address();
  const auto backend = RemoteBackend::Create(options_).value();
  Collector first;
  ASSERT_TRUE(backend->Read(model_, {}, {}, first, {}).ok());
  server_.Forget();
  ExpectAll(backend->Read(model_, {}, {}, collector_, {}));
  const std::vector<v1::InitializeModelRequest> requests = server_.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_TRUE(requests[1].has_fingerprint());
  EXPECT_TRUE(requests[2].has_recipe());
}

TEST_F(RemoteReadTest, AServerThatForgotIsToldAgainByACheckToo) {
  server_.Next(BreakAfter(4500));
  server_.ForgetAfterEach();
  ExpectAll(Read());
  EXPECT_TRUE(server_.summaries()[0].has_fingerprint());
  EXPECT_TRUE(server_.summaries()[1].has_recipe());
}

TEST_F(RemoteReadTest, ReplicasThatTakeTurnsAllComeToKnowTheRecipe) {
  FakeServer other;
  options_.target = "ipv4:" + server_.address() + "," + other.address();
  const auto backend = RemoteBackend::Create(options_).value();
  const auto read = [&] {
    Collector fresh;
    EXPECT_TRUE(backend->Read(model_, {}, {}, fresh, {}).ok());
    EXPECT_TRUE(fresh.values[0] == expected_[0].bytes);
  };
  // Connections come one after the other, and the second is asked once it is there.
  while (server_.requests().size() < 4 || other.requests().size() < 4) read();
  for (int i = 0; i < 8; ++i) read();
  EXPECT_TRUE(server_.requests().back().has_fingerprint());
  EXPECT_TRUE(other.requests().back().has_fingerprint());
}

TEST_F(RemoteReadTest, ARecipeOfTheSameBitsInAnotherOrderDoesNoHarm) {
  options_.target = server_.address();
  const auto backend = RemoteBackend::Create(options_).value();
  Collector first;
  ASSERT_TRUE(backend->Read(model_, {}, {}, first, {}).ok());
  Recipe other = model_.recipe;
  std::reverse(other.tensors.begin(), other.tensors.end());
  other.renames = {{.name_regex = "a", .rewrite = "no such tensor"}};
  server_.Teach(other);
  ASSERT_EQ(Resolve(other)->fingerprint, model_.plan.fingerprint);
  ExpectAll(backend->Read(model_, {}, {}, collector_, {}));
  EXPECT_TRUE(server_.requests().back().has_recipe());  // since a's name leads nowhere
}

// Many calls at once -----------------------------------------------------------------------------

class ParallelReadTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kElements = std::int64_t{18} << 20;  // 72 MiB: five batches of 16

  ParallelReadTest() {
    options_.connections = 3;
    options_.target = server_.address();
    options_.retry_for = kLong;
    values_.resize(static_cast<std::size_t>(kElements));
    receiver_ = *BufferReceiver::Create(bound_, {std::as_writable_bytes(std::span(values_))});
  }

  absl::Status Read(std::stop_token stop = {}) {
    return RemoteBackend::Create(options_).value()->Read(model_, {}, {}, *receiver_,
                                                         std::move(stop));
  }

  const Model model_ = ModelOf({Tensor("large", {kElements}, Uniform())});
  const std::vector<BoundSelection> bound_ = SelectAll(model_.plan);
  std::vector<float> values_;
  std::unique_ptr<BufferReceiver> receiver_;
  FakeServer server_{"127.0.0.1:0", 1 << 20};
  RemoteOptions options_;
};

TEST_F(ParallelReadTest, ALargeTensorComesInSeveralRanges) {
  server_.Next(BreakAfter(5 << 20));
  ASSERT_TRUE(Read().ok());
  const DrawnValues expected = Draw(model_.plan, bound_[0]);
  EXPECT_TRUE(std::equal(expected.bytes.begin(), expected.bytes.end(),
                         reinterpret_cast<const char*>(values_.data())));
  EXPECT_EQ(receiver_->digests()[0], expected.digest);
  EXPECT_EQ(server_.requests().size(), 6u);
  const std::vector<std::string> peers = server_.peers();  // each over a connection of its own
  EXPECT_GE(std::set<std::string>(peers.begin(), peers.end()).size(), 2u);
}

TEST_F(ParallelReadTest, AServerWithoutRoomForAllIsAskedByFewer) {
  server_.set_max_streams(1);
  options_.retry_for = milliseconds(0);
  const absl::Status status = Read();
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(receiver_->digests()[0], Draw(model_.plan, bound_[0]).digest);
}

TEST_F(ParallelReadTest, OneBusyAnswerLosesNoConnection) {
  options_.connections = 2;
  server_.Next(Busy(milliseconds(1)));
  ASSERT_TRUE(Read().ok());
  EXPECT_EQ(receiver_->digests()[0], Draw(model_.plan, bound_[0]).digest);
  const std::vector<std::string> peers = server_.peers();
  EXPECT_GE(std::count(peers.begin(), peers.end(), peers[0]), 2);  // who was told so came back
}

TEST_F(ParallelReadTest, TheFirstErrorEndsAllCalls) {
  Script refusal;
  refusal.num_bytes = 1 << 20;
  refusal.status = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no");
  server_.Next(refusal);
  server_.Always(HangAfter(1 << 20));
  const absl::Status status = Read();
  EXPECT_EQ(status.message(), "no");
}

TEST_F(ParallelReadTest, StoppingEndsAllCalls) {
  server_.Always(HangAfter(1 << 20));
  std::stop_source stop;
  std::thread stopper([&] {
    while (server_.requests().size() < 3) std::this_thread::sleep_for(milliseconds(5));
    stop.request_stop();
  });
  EXPECT_EQ(Read(stop.get_token()), absl::CancelledError("interrupted"));
  stopper.join();
  while (server_.cancelled() < 3) std::this_thread::sleep_for(milliseconds(5));
}

TEST(BufferReceiverTest, BuffersOfOtherSizesAreRefused) {
  const Model model = ModelOf({Tensor("a", {3})});
  const std::vector<BoundSelection> bound = SelectAll(model.plan);
  std::vector<float> values(4);
  EXPECT_THAT(std::string(BufferReceiver::Create(bound, {}).status().message()),
              HasSubstr("0 buffers for 1 selections"));
  EXPECT_THAT(std::string(BufferReceiver::Create(bound, {std::as_writable_bytes(std::span(values))})
                              .status()
                              .message()),
              HasSubstr("buffers[0]: 16 bytes, not 12"));
}

}  // namespace
}  // namespace weightinit::client
