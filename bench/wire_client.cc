// Runs cases that bench/wire.py names, one line each, against the server of the command line
// (`wire_client TARGET [CA_FILE]`), and answers with seconds:
//
//  * `weights INITIALIZER BYTES CONNECTIONS DIGEST SINK`: one float32 tensor by our client library
//  * `protobuf BYTES SINK`: ordinary protobuf messages by the generated client
//  * `raw BYTES SINK`: a plain socket, 1 MiB at a time
//  * `rawstreams BYTES COUNT`: COUNT plain sockets at once, BYTES over each
//  * `streams INITIALIZER BYTES COUNT BACKENDS`: COUNT tensors of BYTES at once, over so many
//    connections
//  * `soak INITIALIZER BYTES COUNT SECONDS`: COUNT connections, over each a float32 tensor of its
//    own again and again for so long; the digest of every one is checked
//  * `first COUNT`: a tensor of 4 KiB until its first byte, COUNT times
//  * `empty COUNT`: GetCapabilities, COUNT times
//
// CONNECTIONS 0: as many as the library thinks best. DIGEST is 0 or 1. SINK is `drop`, which lets
// go of what has arrived, or `memory`, which has it in one piece of memory, touched before.
//
// The answer is "SECONDS [FAIRNESS]" or "error: TEXT". `first` and `empty` answer with the median
// of single calls on a connection that is warm. FAIRNESS: bytes of the slowest stream when the
// fastest ends, as a part of the fastest's. `soak` answers with seconds, tensors, how often a call
// had to be taken up again, and the fewest tensors of a connection as a part of the most.
#include <grpcpp/grpcpp.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iostream>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "bench/wire_socket.h"
#include "client/backend.h"
#include "client/local_backend.h"
#include "client/remote_backend.h"
#include "weightinit/v1/service.grpc.pb.h"

namespace weightinit::bench {
namespace {

using Clock = std::chrono::steady_clock;
using client::Model;
using client::ReadOptions;
using client::RemoteBackend;
using client::RemoteOptions;

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Into one piece of memory, or nowhere if that is empty.
class Values final : public client::Receiver {
 public:
  explicit Values(std::span<std::byte> memory) : memory_(memory) {}

  bool in_order() const override { return false; }
  absl::Status Take(std::size_t, std::int64_t byte_offset,
                    std::span<const std::byte> bytes) override {
    if (!memory_.empty()) std::memcpy(memory_.data() + byte_offset, bytes.data(), bytes.size());
    if (taken_.fetch_add(bytes.size(), std::memory_order_relaxed) == 0) first_ = Clock::now();
    return absl::OkStatus();
  }
  absl::Status Done(std::size_t, std::uint64_t digest) override {
    digest_ = digest;
    return absl::OkStatus();
  }

  std::uint64_t digest() const { return digest_; }
  std::size_t taken() const { return taken_.load(std::memory_order_relaxed); }
  Clock::time_point first() const { return first_; }  // when its first byte came

 private:
  const std::span<std::byte> memory_;
  std::atomic<std::size_t> taken_{0};
  std::uint64_t digest_ = 0;
  Clock::time_point first_;
};

absl::StatusOr<Model> ModelOf(const std::string& initializer, std::int64_t bytes,
                              std::string name = "weight") {
  auto init = ParseInitializer(initializer, "init");
  if (!init.ok()) return init.status();
  TensorSpec tensor;
  tensor.name = std::move(name);
  tensor.shape = {bytes / static_cast<std::int64_t>(sizeof(float))};
  tensor.init = *init;
  Recipe recipe;
  recipe.tensors = {tensor};
  auto plan = Resolve(recipe);
  if (!plan.ok()) return plan.status();
  return Model{recipe, *std::move(plan)};
}

class Worker {
 public:
  Worker(std::string target, std::string ca_file)
      : target_(std::move(target)),
        ca_file_(std::move(ca_file)),
        stub_(v1::WeightInitService::NewStub(
            grpc::CreateChannel(target_, grpc::InsecureChannelCredentials()))) {}

  absl::StatusOr<std::string> Run(const std::string& line) {
    std::istringstream words(line);
    std::string name, initializer, sink;
    std::int64_t bytes = 0;
    int count = 0, connections = 0;
    bool digest = false;
    words >> name;
    if (name == "weights") {
      words >> initializer >> bytes >> connections >> digest >> sink;
      return Weights(initializer, bytes, connections, digest, Memory(sink, bytes));
    }
    if (name == "rawstreams") {
      words >> bytes >> count;
      return RawStreams(static_cast<std::uint64_t>(bytes), count);
    }
    if (name == "streams") {
      words >> initializer >> bytes >> count >> connections;
      return Streams(initializer, bytes, count, connections);
    }
    if (name == "soak") {
      int seconds = 0;
      words >> initializer >> bytes >> count >> seconds;
      return Soak(initializer, bytes, count, std::chrono::seconds(seconds));
    }
    if (name == "protobuf") {
      words >> bytes >> sink;
      return Protobuf(bytes, Memory(sink, bytes));
    }
    if (name == "raw") {
      words >> bytes >> sink;
      return Raw(static_cast<std::uint64_t>(bytes), Memory(sink, bytes));
    }
    words >> count;
    if (name == "first") return First(count);
    if (name == "empty") return Empty(count);
    return absl::InvalidArgumentError("no such case: " + name);
  }

 private:
  RemoteOptions Options(int connections) const {
    RemoteOptions options;
    options.target = target_;
    options.connections = connections;
    options.ca_file = ca_file_;
    return options;
  }

  absl::StatusOr<RemoteBackend*> Backend(int connections) {
    auto& backend = backends_[connections];
    if (backend == nullptr) {
      auto made = RemoteBackend::Create(Options(connections));
      if (!made.ok()) return made.status();
      backend = *std::move(made);
    }
    return backend.get();
  }

  absl::StatusOr<std::string> Weights(const std::string& initializer, std::int64_t bytes,
                                      int connections, bool digest, std::span<std::byte> memory) {
    const auto model = ModelOf(initializer, bytes);
    if (!model.ok()) return model.status();
    const auto backend = Backend(connections);
    if (!backend.ok()) return backend.status();
    Values values(memory);
    const auto start = Clock::now();
    absl::Status status = (*backend)->Read(*model, {}, ReadOptions{.digest = digest}, values, {});
    const double seconds = SecondsSince(start);
    if (!status.ok()) return status;
    if (values.taken() != static_cast<std::size_t>(bytes)) return absl::DataLossError("too few");
    return std::to_string(seconds);
  }

  absl::StatusOr<std::string> Streams(const std::string& initializer, std::int64_t bytes, int count,
                                      int connections) {
    const auto model = ModelOf(initializer, bytes);
    if (!model.ok()) return model.status();
    std::vector<std::unique_ptr<RemoteBackend>> backends;
    for (int i = 0; i < connections; ++i) {
      auto made = RemoteBackend::Create(Options(1));
      if (!made.ok()) return made.status();
      if (auto warm = (*made)->GetCapabilities({}); !warm.ok()) return warm.status();
      backends.push_back(*std::move(made));
    }
    std::vector<std::unique_ptr<Values>> values;
    for (int i = 0; i < count; ++i)
      values.push_back(std::make_unique<Values>(std::span<std::byte>()));
    std::latch start_line(count + 1);
    std::mutex mutex;
    absl::Status status;
    double fairness = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) {
      threads.emplace_back([&, i] {
        start_line.arrive_and_wait();
        absl::Status one = backends[static_cast<std::size_t>(i % connections)]->Read(
            *model, {}, ReadOptions{.digest = false}, *values[static_cast<std::size_t>(i)], {});
        const std::lock_guard lock(mutex);
        status.Update(one);
        if (fairness > 0) return;
        std::size_t least = static_cast<std::size_t>(bytes);
        for (const auto& other : values) least = std::min(least, other->taken());
        fairness =
            static_cast<double>(std::max<std::size_t>(least, 1)) / static_cast<double>(bytes);
      });
    }
    start_line.arrive_and_wait();
    const auto start = Clock::now();
    threads.clear();
    const double seconds = SecondsSince(start);
    if (!status.ok()) return status;
    return std::to_string(seconds) + " " + std::to_string(fairness);
  }

  // One connection's tensor of a soak, and how often it came.
  struct Soaked {
    absl::StatusOr<Model> model;
    std::unique_ptr<RemoteBackend> backend;
    absl::Status status;
    std::uint64_t digest = 0;
    std::int64_t tensors = 0;

    void Read() {
      Values values({});
      status = backend->Read(*model, {}, ReadOptions{.digest = true}, values, {});
      if (!status.ok()) return;
      if (tensors++ == 0) digest = values.digest();
      if (digest != values.digest()) status = absl::DataLossError("two digests of one tensor");
    }
    // What it was all the time, drawn here.
    void Compare() {
      Values values({});
      client::LocalBackend here({.threads = 1});
      if (status.ok()) status = here.Read(*model, {}, ReadOptions{.digest = true}, values, {});
      if (status.ok() && digest != values.digest()) status = absl::DataLossError("wrong digest");
    }
  };

  absl::StatusOr<std::string> Soak(const std::string& initializer, std::int64_t bytes, int count,
                                   std::chrono::seconds seconds) {
    std::atomic<int> breaks = 0;
    RemoteOptions options = Options(1);
    options.on_break = [&breaks](const absl::Status&) { ++breaks; };
    std::vector<Soaked> soaked(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < soaked.size(); ++i) {
      soaked[i].model = ModelOf(initializer, bytes, "layer." + std::to_string(i));
      if (!soaked[i].model.ok()) return soaked[i].model.status();
      auto made = RemoteBackend::Create(options);
      if (!made.ok()) return made.status();
      soaked[i].backend = *std::move(made);
    }
    const auto start = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (Soaked& one : soaked) {
        threads.emplace_back([&one, end = start + seconds] {
          while (one.status.ok() && (one.tensors == 0 || Clock::now() < end)) one.Read();
        });
      }
    }
    const double taken = SecondsSince(start);
    std::int64_t tensors = 0, least = soaked[0].tensors, most = 0;
    for (Soaked& one : soaked) {
      one.Compare();
      if (!one.status.ok()) return one.status;
      tensors += one.tensors;
      least = std::min(least, one.tensors);
      most = std::max(most, one.tensors);
    }
    std::ostringstream text;
    text << taken << " " << tensors << " " << breaks << " "
         << static_cast<double>(least) / static_cast<double>(most);
    return text.str();
  }

  absl::StatusOr<std::string> Protobuf(std::int64_t bytes, std::span<std::byte> memory) {
    v1::InitializeTensorRequest request;
    request.set_byte_count(static_cast<std::uint64_t>(bytes));
    grpc::ClientContext context;
    const auto start = Clock::now();
    const auto reader = stub_->InitializeTensor(&context, request);
    v1::WeightChunk chunk;
    std::size_t taken = 0;
    while (reader->Read(&chunk)) {
      if (!memory.empty()) {
        std::memcpy(memory.data() + chunk.byte_offset(), chunk.values().data(),
                    chunk.values().size());
      }
      taken += chunk.values().size();
    }
    const grpc::Status status = reader->Finish();
    const double seconds = SecondsSince(start);
    if (!status.ok()) return absl::UnavailableError(status.error_message());
    if (taken != static_cast<std::size_t>(bytes)) return absl::DataLossError("too few bytes");
    return std::to_string(seconds);
  }

  absl::StatusOr<std::string> Raw(std::uint64_t bytes, std::span<std::byte> memory) {
    if (socket_ == nullptr)
      socket_ = std::make_unique<StreamSocket>(StreamSocket::Connect(target_));
    std::vector<std::byte> chunk(memory.empty() ? kChunkBytes : 0, std::byte{1});
    const auto start = Clock::now();
    if (!socket_->Send(std::as_bytes(std::span(&bytes, 1))))
      return absl::UnavailableError("closed");
    for (std::uint64_t done = 0; done < bytes;) {
      const std::size_t size = std::min<std::uint64_t>(bytes - done, kChunkBytes);
      const auto to = memory.empty() ? std::span(chunk).first(size) : memory.subspan(done, size);
      if (!socket_->Receive(to)) return absl::UnavailableError("closed");
      done += size;
    }
    return std::to_string(SecondsSince(start));
  }

  absl::StatusOr<std::string> RawStreams(std::uint64_t bytes, int count) {
    std::vector<StreamSocket> sockets;
    for (int i = 0; i < count; ++i) sockets.push_back(StreamSocket::Connect(target_));
    std::atomic<bool> is_well = true;
    const auto start = Clock::now();
    {
      std::vector<std::jthread> threads;
      for (StreamSocket& socket : sockets) {
        threads.emplace_back([&] {
          std::vector<std::byte> chunk(kChunkBytes, std::byte{1});
          if (!socket.Send(std::as_bytes(std::span(&bytes, 1)))) is_well = false;
          for (std::uint64_t done = 0; is_well && done < bytes; done += chunk.size()) {
            const auto size = std::min<std::uint64_t>(bytes - done, chunk.size());
            if (!socket.Receive(std::span(chunk).first(size))) is_well = false;
          }
        });
      }
    }
    if (!is_well) return absl::UnavailableError("closed");
    return std::to_string(SecondsSince(start));
  }

  absl::StatusOr<std::string> First(int count) {
    constexpr std::int64_t kSmallBytes = 4096;
    const auto model = ModelOf("uniform", kSmallBytes);
    if (!model.ok()) return model.status();
    const auto backend = Backend(1);
    if (!backend.ok()) return backend.status();
    return Median(count, [&]() -> absl::StatusOr<double> {
      Values values({});
      const auto start = Clock::now();
      absl::Status status = (*backend)->Read(*model, {}, ReadOptions{.digest = false}, values, {});
      if (!status.ok()) return status;
      return std::chrono::duration<double>(values.first() - start).count();
    });
  }

  absl::StatusOr<std::string> Empty(int count) {
    return Median(count, [this]() -> absl::StatusOr<double> {
      grpc::ClientContext context;
      v1::GetCapabilitiesResponse response;
      const auto start = Clock::now();
      const grpc::Status status = stub_->GetCapabilities(&context, {}, &response);
      if (!status.ok()) return absl::UnavailableError(status.error_message());
      return SecondsSince(start);
    });
  }

  static absl::StatusOr<std::string> Median(int count,
                                            const std::function<absl::StatusOr<double>()>& call) {
    std::vector<double> seconds;
    for (int i = 0; i < count; ++i) {
      const auto one = call();
      if (!one.ok()) return one.status();
      seconds.push_back(*one);
    }
    const auto middle = seconds.begin() + count / 2;
    std::nth_element(seconds.begin(), middle, seconds.end());
    std::ostringstream text;
    text << *middle;
    return text.str();
  }

  // The same memory for every case, touched; empty for the sink `drop`.
  std::span<std::byte> Memory(const std::string& sink, std::int64_t bytes) {
    if (sink != "memory") return {};
    const auto size = static_cast<std::size_t>(bytes);
    if (memory_.size() < size) memory_.assign(size, std::byte{1});
    return std::span(memory_).first(size);
  }

  const std::string target_, ca_file_;
  const std::unique_ptr<v1::WeightInitService::Stub> stub_;
  std::map<int, std::unique_ptr<RemoteBackend>> backends_;  // by connections
  std::unique_ptr<StreamSocket> socket_;
  std::vector<std::byte> memory_;
};

}  // namespace
}  // namespace weightinit::bench

int main(int argc, char** argv) {
  // As the program `weightinit` does; for all kinds of clients here.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
  mallopt(M_ARENA_MAX, 1);
  setenv("GRPC_EXPERIMENTS", "-tcp_read_chunks", /*overwrite=*/0);
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc < 2) return 2;
  weightinit::bench::Worker worker(argv[1], argc > 2 ? argv[2] : "");
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = worker.Run(line);
    std::cout << (answer.ok() ? *answer : "error: " + std::string(answer.status().message()))
              << std::endl;
  }
}
