// Runs cases that bench/run.py names, one line each, and answers with seconds:
//
//   fill GENERATOR INITIALIZER DTYPE ELEMENTS THREADS   a tensor into memory; nothing cached before
//   slice GENERATOR INITIALIZER DTYPE ELEMENTS COUNT    its last COUNT elements, a second time
//
// The answer is "WALL_SECONDS CPU_SECONDS" or "error: TEXT". Memory is touched before the clock
// starts.
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "weightinit/engine.h"
#include "weightinit/plan.h"
#include "weightinit/selection.h"
#include "weightinit/sink.h"

namespace weightinit::bench {
namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::StatusOr<std::string> Run(const std::string& line, std::vector<std::byte>& memory) {
  std::istringstream words(line);
  std::string kind, generator_text, initializer_text, dtype_text;
  std::int64_t elements = 0, last = 0;
  words >> kind >> generator_text >> initializer_text >> dtype_text >> elements >> last;
  const auto generator = ParseGenerator(generator_text);
  if (!generator.ok()) return generator.status();
  const auto init = ParseInitializer(initializer_text);
  if (!init.ok()) return init.status();
  const auto dtype = ParseDType(dtype_text);
  if (!dtype.ok()) return dtype.status();
  TensorSpec spec;
  spec.shape = {elements};
  spec.dtype = *dtype;
  spec.init = *init;
  const auto plan = ResolveTensor(spec, 1, *generator);
  if (!plan.ok()) return plan.status();
  const bool slice = kind == "slice";
  Selection selection;
  if (slice) selection.slice = Range{.start = elements - last, .size = last, .step = std::nullopt};
  const auto bound = Bind(*plan, selection, "selection");
  if (!bound.ok()) return bound.status();
  const auto bytes = static_cast<std::size_t>(bound->num_bytes());
  if (memory.size() < bytes) memory.resize(bytes);
  EngineOptions options;
  options.threads = slice ? 1 : static_cast<int>(last);
  const Engine engine(options);
  BytesSink sink(std::span<std::byte>(memory).first(bytes), bound->dtype);
  if (slice) {
    const absl::Status status = engine.Fill(*plan, *bound, sink);
    if (!status.ok()) return status;
  }
  const double wall = Seconds(), cpu = CpuSeconds();
  const absl::Status status = engine.Fill(*plan, *bound, sink);
  if (!status.ok()) return status;
  std::ostringstream answer;
  answer << Seconds() - wall << ' ' << CpuSeconds() - cpu;
  return answer.str();
}

}  // namespace
}  // namespace weightinit::bench

int main() {
  std::cout << "target " << weightinit::SimdTarget() << std::endl;
  std::vector<std::byte> memory;
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = weightinit::bench::Run(line, memory);
    if (answer.ok()) {
      std::cout << *answer << std::endl;
    } else {
      std::cout << "error: " << answer.status().message() << std::endl;
    }
  }
}
