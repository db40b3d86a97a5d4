// The program itself: what it prints, how it ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "server/options.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::server {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return;
    arguments.insert(arguments.begin(), WEIGHTINIT_SERVER_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(pipe_ends[1], STDERR_FILENO);
      dup2(pipe_ends[1], STDOUT_FILENO);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(pipe_ends[1]);
    output_ = pipe_ends[0];
  }
  ~Process() {
    if (!has_ended_) {
      kill(pid_, SIGKILL);
      Wait();
    }
    close(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // The next line of its output; what there is if none comes.
  std::string Line(Milliseconds time = Milliseconds(20'000)) {
    const auto end = Clock::now() + time;
    std::string line;
    while (Clock::now() < end) {
      pollfd ready{.fd = output_, .events = POLLIN, .revents = 0};
      if (poll(&ready, 1, 50) <= 0) continue;
      char c = 0;
      if (read(output_, &c, 1) != 1 || c == '\n') return line;
      line += c;
    }
    return line;
  }

  std::int64_t ResidentBytes() const {
    std::int64_t total = 0, resident = 0;
    std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> total >> resident;
    return resident * sysconf(_SC_PAGESIZE);
  }

  void Signal(int signal) const { kill(pid_, signal); }

  // Its exit status, or 128 + the signal that ended it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    has_ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  bool has_ended_ = false;
};

// "127.0.0.1:PORT" from the line at the start.
std::string AddressIn(const std::string& line) {
  const std::size_t start = line.find(" on ") + 4;
  return line.substr(start, line.find(' ', start) - start);
}

TEST(Process, SaysWhatItServesAndWhere) {
  Process server({"--listen", "127.0.0.1:0", "--threads", "2", "--drain-delay", "0"});
  const std::string line = server.Line();
  EXPECT_EQ(line.find("weightinit-server "), 0u) << line;
  EXPECT_NE(line.find(" serving weightinit.v1.WeightInitService on 127.0.0.1:"), std::string::npos)
      << line;
  EXPECT_NE(line.find("(2 threads, "), std::string::npos) << line;
  EXPECT_NE(AddressIn(line), "127.0.0.1:0");
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Process, JsonLinesAreObjects) {
  Process server({"--listen", "127.0.0.1:0", "--log-format", "json", "--drain-delay", "0"});
  const std::string line = server.Line();
  EXPECT_EQ(line.front(), '{') << line;
  EXPECT_NE(line.find("\"addresses\":\"127.0.0.1:"), std::string::npos) << line;
  server.Signal(SIGINT);
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Process, TakenPortIsOneLineAndExit1) {
  Process first({"--listen", "127.0.0.1:0", "--drain-delay", "0"});
  const std::string address = AddressIn(first.Line());
  Process second({"--listen", address});
  EXPECT_EQ(second.Line(),
            "weightinit-server: cannot listen on " + address + ": Address already in use");
  EXPECT_EQ(second.Line(), "");
  EXPECT_EQ(second.Wait(), 1);
}

TEST(Process, BadFlagIsExit2) {
  EXPECT_EQ(Process({"--no-such-flag"}).Wait(), 2);
  EXPECT_EQ(Process({"--listen", "nonsense"}).Wait(), 2);
  EXPECT_EQ(Process({"--version"}).Wait(), 0);
}

TEST(Process, DrainsBeforeItStops) {
  Process server({"--listen", "127.0.0.1:0", "--drain-delay", "1s"});
  const auto channel =
      grpc::CreateChannel(AddressIn(server.Line()), grpc::InsecureChannelCredentials());
  const auto health = grpc::health::v1::Health::NewStub(channel);
  const auto status = [&] {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status answer = health->Check(&context, {}, &response);
    return answer.ok() ? response.status() : grpc::health::v1::HealthCheckResponse::UNKNOWN;
  };
  EXPECT_EQ(status(), grpc::health::v1::HealthCheckResponse::SERVING);
  const auto start = Clock::now();
  server.Signal(SIGTERM);
  std::this_thread::sleep_for(Milliseconds(300));
  EXPECT_EQ(status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  grpc::ClientContext context;
  v1::GetCapabilitiesResponse response;
  EXPECT_TRUE(
      v1::WeightInitService::NewStub(channel)->GetCapabilities(&context, {}, &response).ok());
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_GE(Clock::now() - start, Milliseconds(1000));
}

TEST(Process, SlowReadersHoldAFewChunksEach) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer keeps memory of its own for every byte that is touched";
#endif
  constexpr std::int64_t kChunkBytes = 1 << 20;
  constexpr std::int64_t kStreams = 32;
  Process server({"--listen", "127.0.0.1:0", "--drain-delay", "0", "--shutdown-grace", "0"});
  const auto channel =
      grpc::CreateChannel(AddressIn(server.Line()), grpc::InsecureChannelCredentials());
  const auto stub = v1::WeightInitService::NewStub(channel);
  v1::InitializeTensorRequest request;
  request.mutable_tensor()->add_shape(std::int64_t{1} << 37);  // 512 GiB
  request.mutable_tensor()->mutable_init()->mutable_normal();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WeightChunk>>> readers;
  const auto open = [&] {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    readers.push_back(stub->InitializeTensor(contexts.back().get(), request));
    v1::WeightChunk chunk;
    EXPECT_TRUE(readers.back()->Read(&chunk));
  };
  open();  // whatever is allocated once
  const std::int64_t before = server.ResidentBytes();
  for (std::int64_t i = 0; i < kStreams; ++i) open();
  std::this_thread::sleep_for(Milliseconds(1000));
  // What streams are promised.
  EXPECT_LT(server.ResidentBytes() - before,
            kStreams * ServerOptions().chunks_per_stream() * kChunkBytes);
  for (const auto& context : contexts) context->TryCancel();
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
}

TEST(Process, SecondSignalEndsAtOnceAndRemovesTheSocket) {
  const std::string path =
      ::testing::TempDir() + "weightinit_process_test_" + std::to_string(getpid());
  Process server({"--listen", "unix:" + path, "--drain-delay", "1h"});
  server.Line();
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  server.Signal(SIGTERM);
  server.Line();  // "stopping"
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 1);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(Process, SocketOfADeadServerIsNoObstacle) {
  const std::string path =
      ::testing::TempDir() + "weightinit_process_test_dead_" + std::to_string(getpid());
  {
    Process killed({"--listen", "unix:" + path});
    killed.Line();
  }  // SIGKILL
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  Process server({"--listen", "unix:" + path, "--drain-delay", "0"});
  EXPECT_NE(server.Line().find(" on unix:" + path), std::string::npos);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace weightinit::server
