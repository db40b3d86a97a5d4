// The five calls over real connections, in one process.
#include "server/service.h"

#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "proto/convert.h"
#include "server/producers.h"
#include "server/server.h"
#include "tests/unit/server/testing.h"
#include "weightinit/status.h"

namespace weightinit::server {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kTebi = std::int64_t{1} << 40;

// Waits for something that other threads bring about.
bool Eventually(const std::function<bool()>& holds, Milliseconds time = Milliseconds(10'000)) {
  const auto end = Clock::now() + time;
  while (!holds()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(Milliseconds(5));
  }
  return true;
}

std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    options_.listen = {"127.0.0.1:0"};
    options_.threads = 2;
    options_.drain_delay = Milliseconds(0);
  }

  void Start() {
    auto server = Server::Start(options_, logger_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = ChannelTo(server_->addresses()[0]);
    stub_ = v1::WeightInitService::NewStub(channel_);
  }

  // A request for one tensor of float32.
  static v1::InitializeTensorRequest Request(std::int64_t elements, Initializer init = Normal()) {
    v1::InitializeTensorRequest request;
    *request.mutable_tensor() = proto::ToProto(Tensor("w", {elements}, std::move(init)));
    return request;
  }

  struct Answer {
    absl::Status status;
    std::vector<v1::WeightChunk> chunks;
    std::string Bytes() const {
      std::string bytes;
      for (const v1::WeightChunk& chunk : chunks) bytes += chunk.values();
      return bytes;
    }
  };

  // A stream that would last for days, of which the first chunk has come.
  struct Endless {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WeightChunk>> reader;
    v1::WeightChunk chunk;
  };
  void Begin(Endless& stream) {
    stream.reader = stub_->InitializeTensor(&stream.context, Request(kTebi / 8));
    ASSERT_TRUE(stream.reader->Read(&stream.chunk));
  }

  Answer Read(std::unique_ptr<grpc::ClientReader<v1::WeightChunk>> reader) {
    Answer answer;
    v1::WeightChunk chunk;
    while (reader->Read(&chunk)) answer.chunks.push_back(chunk);
    answer.status = proto::FromGrpcStatus(reader->Finish());
    return answer;
  }
  Answer Call(const v1::InitializeTensorRequest& request) {
    grpc::ClientContext context;
    return Read(stub_->InitializeTensor(&context, request));
  }
  Answer Call(const v1::InitializeModelRequest& request) {
    grpc::ClientContext context;
    return Read(stub_->InitializeModel(&context, request));
  }

  ServerOptions options_;
  const Logger logger_{LogFormat::kText, LogLevel::kWarn};
  const Engine engine_{EngineOptions{.threads = 1}};
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WeightInitService::Stub> stub_;
};

// What is answered
// ----------------------------------------------------------------------------

TEST_F(ServiceTest, InitializeTensorSendsTheLibrarysBits) {
  Start();
  v1::InitializeTensorRequest request = Request(1'000'000);  // 4 chunks
  request.set_seed(42);
  request.mutable_check()->set_digest(true);
  const Answer answer = Call(request);
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  const auto plan = ResolveTensor(Tensor("w", {1'000'000}), 42);
  const BoundSelection whole = SelectAll(*plan)[0];
  ASSERT_EQ(answer.chunks.size(), 4u);
  EXPECT_EQ(answer.chunks[0].header().total_bytes(), 4'000'000u);
  EXPECT_EQ(answer.Bytes(), Drawn(engine_, *plan, whole));
  EXPECT_EQ(answer.chunks[3].trailer().digest(), DigestOfDrawn(engine_, *plan, whole));
}

TEST_F(ServiceTest, InitializeModelAnswersInOrderAndByFingerprint) {
  Start();
  v1::InitializeModelRequest request;
  Recipe recipe;
  recipe.tensors = {Tensor("a", {10, 10}), Tensor("q", {30, 20}, Orthogonal()),
                    Tensor("none", {0})};
  *request.mutable_recipe() = proto::ToProto(recipe);
  const Answer whole = Call(request);
  ASSERT_TRUE(whole.status.ok()) << whole.status;
  ASSERT_EQ(whole.chunks.size(), 3u);
  EXPECT_EQ(whole.chunks[2].selection(), 2u);
  EXPECT_TRUE(whole.chunks[2].has_trailer());

  v1::InitializeModelRequest again;
  again.set_fingerprint(whole.chunks[0].header().fingerprint());
  for (const char* name : {"q", "a"}) again.add_selections()->set_name(name);
  const Answer parts = Call(again);
  ASSERT_TRUE(parts.status.ok()) << parts.status;
  EXPECT_EQ(parts.chunks[0].values(), whole.chunks[1].values());
  EXPECT_EQ(parts.chunks[1].values(), whole.chunks[0].values());

  again.set_fingerprint(std::string(32, 'x'));
  const absl::Status unknown = Call(again).status;
  EXPECT_EQ(unknown.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(proto::DetailsOf(unknown).reason, "RECIPE_UNKNOWN");
}

TEST_F(ServiceTest, PlanSendsTheReportThenPages) {
  Start();
  v1::PlanRequest request;
  for (int i = 0; i < 10'000; ++i) {
    *request.mutable_recipe()->add_tensors() =
        proto::ToProto(Tensor("layers." + std::to_string(i) + ".weight", {64, 64}));
  }
  grpc::ClientContext context;
  const auto reader = stub_->Plan(&context, request);
  v1::PlanResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.report().tensor_count(), 10'000u);
  EXPECT_TRUE(message.report().drawable());
  int pages = 0, tensors = 0;
  while (reader->Read(&message)) {
    ++pages;
    tensors += message.page().tensors_size();
    EXPECT_LE(message.ByteSizeLong(), std::size_t{1} << 20);
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_GT(pages, 1);
  EXPECT_EQ(tensors, 10'000);
}

TEST_F(ServiceTest, SummarizeDescribesWithoutSending) {
  Start();
  v1::SummarizeRequest request;
  Recipe recipe;
  recipe.tensors = {Tensor("w", {1000, 300}, Normal{.mean = 1, .std = 2}),
                    Tensor("b", {5}, Zeros())};
  *request.mutable_recipe() = proto::ToProto(recipe);
  grpc::ClientContext context;
  const auto reader = stub_->Summarize(&context, request);
  v1::SummarizeResponse w, b, none;
  ASSERT_TRUE(reader->Read(&w));
  ASSERT_TRUE(reader->Read(&b));
  EXPECT_FALSE(reader->Read(&none));
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(w.name(), "w");
  EXPECT_EQ(w.count(), 300'000u);
  EXPECT_NEAR(w.mean(), 1, 0.05);
  EXPECT_NEAR(w.std(), 2, 0.05);
  EXPECT_EQ(w.histogram().counts_size(), 64);
  EXPECT_EQ(w.first_values_size(), 8);
  const auto plan = PlanOf(recipe.tensors);
  EXPECT_EQ(w.digest(), DigestOfDrawn(engine_, *plan, SelectAll(*plan)[0]));
  EXPECT_EQ(b.selection(), 1u);
  EXPECT_EQ(b.min(), 0);
}

TEST_F(ServiceTest, CapabilitiesNameLimitsWithTheirFlags) {
  Start();
  grpc::ClientContext context;
  v1::GetCapabilitiesResponse response;
  ASSERT_TRUE(stub_->GetCapabilities(&context, {}, &response).ok());
  EXPECT_EQ(response.server_version(), Version());
  EXPECT_EQ(response.chunk_bytes(), std::uint64_t{1} << 20);
  EXPECT_EQ(response.threads(), 2u);
  for (const auto& limit : response.limits()) EXPECT_EQ(limit.flag().find("--max-"), 0u);
  EXPECT_EQ(response.limits_size(), 7);
}

TEST_F(ServiceTest, AnswersOnEveryAddress) {
  const std::string path =
      ::testing::TempDir() + "weightinit_service_test_" + std::to_string(getpid());
  options_.listen.push_back("unix:" + path);
  Start();
  for (const std::string& address : server_->addresses()) {
    stub_ = v1::WeightInitService::NewStub(ChannelTo(address));
    EXPECT_TRUE(Call(Request(10)).status.ok()) << address;
  }
  EXPECT_EQ(server_->Banner().find("weightinit-server "), 0u);
  EXPECT_NE(server_->Banner().find("unix:" + path), std::string::npos);
  server_->Shutdown(Milliseconds(1000));
  EXPECT_NE(access(path.c_str(), F_OK), 0) << "the socket is left";
}

// What is refused
// ----------------------------------------------------------------------------

TEST_F(ServiceTest, ErrorsArriveWithTheirFields) {
  Start();
  const absl::Status status = Call(Request(-1)).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  const std::vector<FieldViolation> violations = FieldViolations(status);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field.find("tensor.shape"), 0u) << violations[0].field;
}

TEST_F(ServiceTest, GarbageIsInvalid) {
  const ServerOptions options;
  RequestResolver resolver{options};
  const auto buffers = BufferPool::Create(1 << 20, 1);
  StreamMemory memory(1 << 20);
  const Workshop workshop{engine_, resolver, buffers, memory, 1 << 20, 3};
  const grpc::Slice garbage("\xff\xff\xff");
  const auto producer =
      MakeWeights<v1::InitializeTensorRequest>(workshop, grpc::ByteBuffer(&garbage, 1));
  EXPECT_EQ(producer->Start([] { return false; }).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceTest, OnlyWhatIsSurelyLittleStartsOnTheCallersThread) {
  const ServerOptions options;
  RequestResolver resolver{options};
  const auto buffers = BufferPool::Create(1 << 20, 1);
  StreamMemory memory(1 << 20);
  const Workshop workshop{engine_, resolver, buffers, memory, 1 << 20, 3};
  const auto effort_of = [&](const v1::InitializeModelRequest& request) {
    const grpc::Slice bytes(request.SerializeAsString());
    return MakeWeights<v1::InitializeModelRequest>(workshop, grpc::ByteBuffer(&bytes, 1))
        ->NextEffort();
  };
  v1::InitializeModelRequest request;
  request.set_fingerprint(std::string(32, 'x'));  // of any number of tensors
  EXPECT_EQ(effort_of(request), Effort::kShort);
  request.add_selections()->set_name("w");
  EXPECT_EQ(effort_of(request), Effort::kTrivial);
}

TEST_F(ServiceTest, LargeRequestsAreRefusedByName) {
  options_.max_request_bytes = 10'000;
  Start();
  v1::InitializeTensorRequest request = Request(1);
  request.mutable_tensor()->set_module(std::string(9'900, 'x'));
  EXPECT_TRUE(Call(request).status.ok());
  request.mutable_tensor()->set_module(std::string(11'000, 'x'));
  const absl::Status status = Call(request).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("--max-request-bytes"), absl::string_view::npos) << status;
  // Beyond twice the limit the words are gRPC's, the code is the same.
  request.mutable_tensor()->set_module(std::string(30'000, 'x'));
  EXPECT_EQ(Call(request).status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(ServiceTest, CompressedRequestsAreRefused) {
  Start();
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  v1::InitializeTensorRequest request = Request(1);
  request.mutable_tensor()->set_module(std::string(5'000, 'x'));
  EXPECT_EQ(Read(stub_->InitializeTensor(&context, request)).status.code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(ServiceTest, StreamsAreLimitedTogether) {
  options_.max_streams = 1;
  Start();
  Endless first;
  ASSERT_NO_FATAL_FAILURE(Begin(first));

  const absl::Status busy = Call(Request(1)).status;
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  const proto::ErrorDetails details = proto::DetailsOf(busy);
  EXPECT_EQ(details.reason, "SERVER_BUSY");
  EXPECT_TRUE(details.retry_delay.has_value());

  first.context.TryCancel();
  EXPECT_EQ(first.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  ASSERT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
  EXPECT_TRUE(Call(Request(1)).status.ok());
}

TEST_F(ServiceTest, MemoryForChunksIsLimited) {
  options_.chunk_bytes = 64 << 10;
  options_.max_stream_bytes = options_.chunks_per_stream() * options_.chunk_bytes;  // one stream's
  Start();
  const std::int64_t small = options_.chunk_bytes / 8;  // elements
  Endless first;
  ASSERT_NO_FATAL_FAILURE(Begin(first));

  const absl::Status busy = Call(Request(small)).status;
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(busy.message().find("--max-stream-bytes"), absl::string_view::npos) << busy;
  const proto::ErrorDetails details = proto::DetailsOf(busy);
  EXPECT_EQ(details.reason, "SERVER_BUSY");
  EXPECT_EQ(details.metadata.at("flag"), "--max-stream-bytes");
  EXPECT_TRUE(details.retry_delay.has_value());
  // What holds no chunks takes no part in it.
  v1::PlanRequest plan;
  *plan.mutable_recipe()->add_tensors() = Request(1).tensor();
  grpc::ClientContext beside;
  v1::PlanResponse report;
  EXPECT_TRUE(stub_->Plan(&beside, plan)->Read(&report));

  first.context.TryCancel();
  first.reader->Finish();
  // Small answers take what they are, and give it back soon after they have come.
  for (int i = 0; i < 100; ++i)
    EXPECT_TRUE(Eventually([&] { return Call(Request(small)).status.ok(); }));
}

TEST_F(ServiceTest, AnyNumberOfChunksAheadChangesNoBit) {
  const auto plan = ResolveTensor(Tensor("w", {300'000}), 0);
  const std::string expected = Drawn(engine_, *plan, SelectAll(*plan)[0]);
  for (const int ahead : {1, 2, 7, 64}) {
    options_.chunk_bytes = 64 << 10;
    options_.chunks_ahead = ahead;
    Start();
    EXPECT_EQ(Call(Request(300'000)).Bytes(), expected) << ahead;
  }
}

// Readers that do not read
// ----------------------------------------------------------------------------

TEST_F(ServiceTest, CancellationEndsTheStream) {
  Start();
  Endless stream;
  ASSERT_NO_FATAL_FAILURE(Begin(stream));
  EXPECT_EQ(server_->active_streams(), 1);
  stream.context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
  EXPECT_EQ(stream.reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(ServiceTest, CancellationStopsAMatrixBeforeItsFirstChunk) {
  Start();
  grpc::ClientContext context;
  v1::InitializeTensorRequest request = Request(1);
  *request.mutable_tensor() = proto::ToProto(Tensor("q", {8000, 8000}, Orthogonal()));
  const auto reader = stub_->InitializeTensor(&context, request);
  std::this_thread::sleep_for(Milliseconds(200));
  EXPECT_EQ(server_->active_streams(), 1);
  context.TryCancel();
  // Far less than the matrix would take.
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

// Two who wait for one matrix, which takes long.
class MatrixTest : public ServiceTest {
 protected:
  void AskForTheMatrix() {
    v1::InitializeTensorRequest matrix;
    *matrix.mutable_tensor() = proto::ToProto(Tensor("q", {6000, 6000}, Orthogonal()));
    matrix.set_byte_count(4);  // the stream ends as soon as the matrix is made
    for (int i = 0; i < 2; ++i) readers_[i] = stub_->InitializeTensor(&contexts_[i], matrix);
    ASSERT_TRUE(Eventually([&] { return server_->active_streams() == 2; }));
  }
  void ExpectNoMatrixAndLeave() {
    EXPECT_GE(server_->active_streams(), 2) << "answered only after the matrix";
    for (grpc::ClientContext& context : contexts_) context.TryCancel();
    EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
    for (const auto& reader : readers_) {
      EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
    }
  }

 private:
  grpc::ClientContext contexts_[2];
  std::unique_ptr<grpc::ClientReader<v1::WeightChunk>> readers_[2];
};

TEST_F(MatrixTest, LeavesAThreadToOthers) {
  Start();
  AskForTheMatrix();
  EXPECT_TRUE(Call(Request(1'000'000)).status.ok());
  ExpectNoMatrixAndLeave();
}

TEST_F(MatrixTest, LittleDoesNotWaitForAThread) {
  options_.threads = 1;  // busy
  Start();
  AskForTheMatrix();
  EXPECT_TRUE(Call(Request(1000)).status.ok());
  ExpectNoMatrixAndLeave();
}

TEST_F(ServiceTest, DeadlinesEndTheStream) {
  Start();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + Milliseconds(300));
  const auto reader = stub_->InitializeTensor(&context, Request(kTebi / 8));
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 1; }));
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
  v1::WeightChunk chunk;
  while (reader->Read(&chunk)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

TEST_F(ServiceTest, VanishedReadersEndTheStream) {
  Start();
  {
    const auto channel = ChannelTo(server_->addresses()[0]);
    const auto stub = v1::WeightInitService::NewStub(channel);
    grpc::ClientContext context;
    const auto reader = stub->InitializeTensor(&context, Request(kTebi / 8));
    v1::WeightChunk chunk;
    ASSERT_TRUE(reader->Read(&chunk));
  }
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST_F(ServiceTest, SlowReadersStopTheDrawing) {
  Start();
  constexpr int kStreams = 16;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WeightChunk>>> readers;
  for (int i = 0; i < kStreams; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub_->InitializeTensor(contexts.back().get(), Request(kTebi / 8)));
  }
  ASSERT_TRUE(Eventually([&] { return server_->active_streams() == kStreams; }));
  // Once windows and buffers are full nothing is drawn any more: the process comes to rest.
  EXPECT_TRUE(Eventually([] {
    const double before_nap = CpuSeconds();
    std::this_thread::sleep_for(Milliseconds(200));
    return CpuSeconds() - before_nap < 0.02;
  }));
  for (const auto& context : contexts) context->TryCancel();
  EXPECT_TRUE(Eventually([&] { return server_->active_streams() == 0; }));
}

// Coming up and going down
// ----------------------------------------------------------------------------

TEST_F(ServiceTest, HealthIsAnsweredByName) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto check = [&](const std::string& name, grpc::health::v1::HealthCheckResponse& response) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(name);
    return health->Check(&context, request, &response).error_code();
  };
  grpc::health::v1::HealthCheckResponse response;
  for (const char* name : {"", "weightinit.v1.WeightInitService"}) {
    EXPECT_EQ(check(name, response), grpc::StatusCode::OK);
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
  EXPECT_EQ(check("other", response), grpc::StatusCode::NOT_FOUND);

  server_->SetNotServing();
  for (const char* name : {"", "weightinit.v1.WeightInitService"}) {
    EXPECT_EQ(check(name, response), grpc::StatusCode::OK);
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  }
  EXPECT_TRUE(Call(Request(1)).status.ok()) << "still answers";
}

TEST_F(ServiceTest, TakenAddressesAreErrors) {
  const std::string path =
      ::testing::TempDir() + "weightinit_service_test_taken_" + std::to_string(getpid());
  options_.listen.push_back("unix:" + path);
  Start();
  for (const std::string& address : server_->addresses()) {
    ServerOptions second = options_;
    second.listen = {address};
    const absl::Status status = Server::Start(second, logger_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_NE(status.message().find(address), absl::string_view::npos) << status;
  }
  EXPECT_TRUE(Call(Request(1)).status.ok()) << "the first server still answers";
}

TEST_F(ServiceTest, RunningStreamsEndWithinTheGrace) {
  Start();
  grpc::ClientContext context;
  constexpr std::int64_t kElements = 16 << 20;  // 64 MiB, more than any window
  const auto reader = stub_->InitializeTensor(&context, Request(kElements));
  v1::WeightChunk chunk;
  ASSERT_TRUE(reader->Read(&chunk));
  std::size_t bytes = chunk.values().size();
  std::thread shutdown([this] { server_->Shutdown(Milliseconds(60'000)); });
  std::this_thread::sleep_for(Milliseconds(300));
  const absl::Status refused = Call(Request(1)).status;
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(proto::DetailsOf(refused).reason, "DRAINING");
  while (reader->Read(&chunk)) bytes += chunk.values().size();
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_code() << ": " << status.error_message();
  EXPECT_EQ(bytes, static_cast<std::size_t>(kElements) * 4);
  shutdown.join();
}

TEST_F(ServiceTest, StreamsBeyondTheGraceAreCutOff) {
  Start();
  Endless stream;
  ASSERT_NO_FATAL_FAILURE(Begin(stream));
  const auto start = Clock::now();
  server_->Shutdown(Milliseconds(300));
  EXPECT_LT(Clock::now() - start, Milliseconds(10'000));
  while (stream.reader->Read(&stream.chunk)) {
  }
  EXPECT_FALSE(stream.reader->Finish().ok());
}

TEST_F(ServiceTest, HealthWatchersDoNotHoldUpTheEnd) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  const auto watch = health->Watch(&context, {});
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  const auto start = Clock::now();
  server_->Shutdown(Milliseconds(60'000));
  EXPECT_LT(Clock::now() - start, Milliseconds(20'000));
}

// What is told
// ----------------------------------------------------------------------------

// The service alone, with an observer.
class ObservedTest : public ServiceTest, public CallObserver {
 protected:
  void Start() {
    service_ = std::make_unique<WeightInitService>(options_, std::vector<CallObserver*>{this});
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    grpc_server_ = builder.BuildAndStart();
    stub_ = v1::WeightInitService::NewStub(ChannelTo("127.0.0.1:" + std::to_string(port)));
  }
  ~ObservedTest() override {
    grpc_server_->Shutdown(std::chrono::system_clock::now());
    grpc_server_.reset();
  }

  void OnBegin(Method method) override { Tell("begins " + std::string(Name(method))); }
  void OnDrawn(const Initializer& init, DType, std::int64_t elements) override {
    Tell(std::string(MethodName(init)) + " " + std::to_string(elements));
  }
  void OnEnd(const EndedCall& call) override {
    Tell(absl::StatusCodeToString(call.status.code()) + " " + call.facts.tensor + " " +
         std::to_string(call.facts.selections) + " " + std::to_string(call.facts.bytes));
  }
  void Tell(const std::string& what) {
    const std::lock_guard lock(mutex_);
    told_.push_back(what);
  }

  void ExpectTold(const std::vector<std::string>& expected) {
    EXPECT_TRUE(Eventually([&] {
      const std::lock_guard lock(mutex_);
      return told_.size() == expected.size();
    }));
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(told_, expected);
  }

  std::mutex mutex_;
  std::vector<std::string> told_;
  std::unique_ptr<WeightInitService> service_;
  std::unique_ptr<grpc::Server> grpc_server_;
};

TEST_F(ObservedTest, RefusalsAreToldToo) {
  options_.max_streams = 0;
  Start();
  EXPECT_EQ(proto::DetailsOf(Call(Request(1)).status).reason, "SERVER_BUSY");
  service_->RefuseStreams();
  EXPECT_EQ(proto::DetailsOf(Call(Request(1)).status).reason, "DRAINING");
  ExpectTold({"begins InitializeTensor", "RESOURCE_EXHAUSTED  0 0", "begins InitializeTensor",
              "UNAVAILABLE  0 0"});
}

TEST_F(ObservedTest, WhatWasDrawnIsToldByKind) {
  Start();
  v1::InitializeModelRequest request;
  Recipe recipe;
  recipe.tensors = {Tensor("a", {10}), Tensor("b", {5}, Zeros()), Tensor("c", {1'000'000})};
  *request.mutable_recipe() = proto::ToProto(recipe);
  EXPECT_TRUE(Call(request).status.ok());
  ExpectTold({"begins InitializeModel", "zeros 5", "normal 1000010", "OK a 3 4000060"});
}

TEST_F(ObservedTest, OfAStreamThatIsLeftWhatWasDrawnIsTold) {
  Start();
  Endless stream;
  ASSERT_NO_FATAL_FAILURE(Begin(stream));
  stream.context.TryCancel();
  stream.reader->Finish();
  ASSERT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex_);
    return told_.size() == 3;
  }));
  EXPECT_EQ(told_[1].find("normal "), 0u) << told_[1];
  EXPECT_GE(std::stoll(told_[1].substr(7)), 262'144);  // a chunk
  EXPECT_EQ(told_[2].find("CANCELLED w 1 "), 0u) << told_[2];
}

}  // namespace
}  // namespace weightinit::server
