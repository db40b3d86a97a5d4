// Raw Philox words on stdout without end, for dieharder and its like.
//
//   words SEED NAME                 one sequence
//   words interleaved seeds         one word in turn from 256 sequences of adjacent seeds
//   words interleaved names         the same of 256 names that differ in their last characters
//
// Sequences that are fine alone may still be alike: numpy#16313 shows it of adjacent seeds.
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "lib/source/kernels/kernels.h"
#include "weightinit/plan.h"

namespace weightinit {
namespace {

constexpr std::size_t kSequences = 256;
constexpr std::size_t kWords = 4096;  // of each sequence at a time

std::vector<kernels::Stream> StreamsOf(std::string_view kind, std::string_view of) {
  std::vector<kernels::Stream> streams;
  if (kind != "interleaved") {
    return {{.seed = std::strtoull(kind.data(), nullptr, 10), .subsequence = SubsequenceOf(of)}};
  }
  for (std::size_t i = 0; i < kSequences; ++i) {
    if (of == "seeds") {
      streams.push_back({.seed = i, .subsequence = SubsequenceOf("weight")});
    } else {
      streams.push_back(
          {.seed = 0, .subsequence = SubsequenceOf("layers." + std::to_string(i) + ".weight")});
    }
  }
  return streams;
}

void WriteWithoutEnd(const std::vector<kernels::Stream>& streams) {
  std::vector<std::uint32_t> words(kWords), turns(kWords * streams.size());
  for (std::uint64_t first = 0;; first += kWords) {
    for (std::size_t s = 0; s < streams.size(); ++s) {
      kernels::BestKernels().words(streams[s], kernels::kValuePlane, first, words);
      for (std::size_t i = 0; i < kWords; ++i) turns[i * streams.size() + s] = words[i];
    }
    if (std::fwrite(turns.data(), sizeof(std::uint32_t), turns.size(), stdout) != turns.size())
      return;  // the reader has had enough
  }
}

}  // namespace
}  // namespace weightinit

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: words SEED NAME | words interleaved seeds | words interleaved names\n";
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes is the usual end
  weightinit::WriteWithoutEnd(weightinit::StreamsOf(argv[1], argv[2]));
}
