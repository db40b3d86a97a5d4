// Runs cases that bench/engine.py names, one line each, and answers with seconds:
//
//   fill INITIALIZER DTYPE ELEMENTS THREADS     Engine::Fill into memory
//   digest INITIALIZER DTYPE ELEMENTS THREADS   Engine::Fill into a DigestSink
//   matrix ROWS THREADS                        orthogonal, square, FLOAT32; nothing cached
//   words BYTES                                raw Philox words, in pieces as the engine draws them
//   store | memset | memcpy BYTES              plain memory; memcpy counts what it writes
//   mt19937_uniform | mt19937_normal BYTES     the C++ standard library, binary32
//
// The answer is "WALL_SECONDS CPU_SECONDS" or "error: TEXT". Memory is touched before the clock
// starts.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "bench/plain_memory.h"
#include "lib/source/kernels/kernels.h"
#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit::bench {
namespace {

class Clock {
 public:
  std::string Elapsed() const {
    std::ostringstream text;
    text << std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count() << ' '
         << CpuSeconds() - cpu_;
    return text.str();
  }

 private:
  static double CpuSeconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  std::chrono::steady_clock::time_point wall_ = std::chrono::steady_clock::now();
  double cpu_ = CpuSeconds();
};

class Worker {
 public:
  std::string Run(const std::string& line) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "fill" || name == "digest") {
      std::string initializer, dtype;
      std::int64_t elements = 0;
      int threads = 0;
      words >> initializer >> dtype >> elements >> threads;
      return Draw(initializer, dtype, {elements}, threads, name == "digest");
    }
    std::int64_t size = 0;
    words >> size;
    if (name == "matrix") {
      int threads = 0;
      words >> threads;
      return Draw("orthogonal", "FLOAT32", {size, size}, threads, false);
    }
    return Plain(name, Memory(size));
  }

 private:
  const Engine& EngineOf(int threads) {
    auto& engine = engines_[threads];
    if (engine == nullptr)
      engine = std::make_unique<Engine>(EngineOptions{.threads = threads, .cache_bytes = 0});
    return *engine;
  }

  static absl::StatusOr<ModelPlan> PlanOf(const std::string& initializer, const std::string& dtype,
                                          Shape shape) {
    auto init = ParseInitializer(initializer, "init");
    if (!init.ok()) return init.status();
    auto type = ParseDType(dtype);
    if (!type.ok()) return type.status();
    TensorSpec spec;
    spec.name = "weight";
    spec.shape = std::move(shape);
    spec.dtype = *type;
    spec.init = *init;
    return ResolveTensor(spec, /*seed=*/1);
  }

  std::string Draw(const std::string& initializer, const std::string& dtype, Shape shape,
                   int threads, bool digest) {
    const auto plan = PlanOf(initializer, dtype, std::move(shape));
    if (!plan.ok()) return "error: " + std::string(plan.status().message());
    const auto selections = BindAll(*plan, {});  // everything
    if (!selections.ok()) return "error: " + std::string(selections.status().message());
    const BoundSelection& selection = selections->front();
    BytesSink memory(Memory(digest ? 0 : selection.num_bytes()), selection.dtype);
    DigestSink sum;
    Sink& sink = digest ? static_cast<Sink&>(sum) : memory;
    const Engine& engine = EngineOf(threads);
    const Clock clock;
    const absl::Status status = engine.Fill(*plan, selection, sink);
    return status.ok() ? clock.Elapsed() : "error: " + std::string(status.message());
  }

  std::string Plain(const std::string& name, std::span<std::byte> out) {
    const std::span<float> floats(reinterpret_cast<float*>(out.data()), out.size() / sizeof(float));
    if (name == "memcpy" && source_.size() < out.size()) source_.assign(out.size(), std::byte{1});
    std::mt19937 generator(1);
    const Clock clock;
    if (name == "words") {
      constexpr std::size_t kPiece = std::size_t{1} << 12;
      const std::span<std::uint32_t> words(reinterpret_cast<std::uint32_t*>(out.data()),
                                           out.size() / sizeof(std::uint32_t));
      for (std::size_t i = 0; i < words.size(); i += kPiece) {
        kernels::BestKernels().words({.seed = 1, .subsequence = 2}, kernels::kValuePlane, i,
                                     words.subspan(i, std::min(kPiece, words.size() - i)));
      }
    } else if (name == "store") {
      StreamingStore(out);
    } else if (name == "memset") {
      std::memset(out.data(), 1, out.size());
    } else if (name == "memcpy") {
      std::memcpy(out.data(), source_.data(), out.size());
    } else if (name == "mt19937_uniform") {
      std::uniform_real_distribution<float> distribution(-1, 1);
      for (float& x : floats) x = distribution(generator);
    } else if (name == "mt19937_normal") {
      std::normal_distribution<float> distribution(0, 1);
      for (float& x : floats) x = distribution(generator);
    } else {
      return "error: no such case: " + name;
    }
    return clock.Elapsed();
  }

  // The same memory for every case, touched.
  std::span<std::byte> Memory(std::int64_t bytes) {
    constexpr std::size_t kAlignment = 64;
    const auto size = static_cast<std::size_t>(bytes);
    if (memory_.size() < size + kAlignment) memory_.assign(size + kAlignment, std::byte{1});
    void* start = memory_.data();
    std::size_t space = memory_.size();
    std::align(kAlignment, size, start, space);
    return {static_cast<std::byte*>(start), size};
  }

  std::vector<std::byte> memory_, source_;
  std::map<int, std::unique_ptr<Engine>> engines_;
};

}  // namespace
}  // namespace weightinit::bench

int main() {
  weightinit::bench::Worker worker;
  std::cout << "target " << weightinit::SimdTarget() << std::endl;
  for (std::string line; std::getline(std::cin, line);) std::cout << worker.Run(line) << std::endl;
}
