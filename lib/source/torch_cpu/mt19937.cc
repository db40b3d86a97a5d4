#include "lib/source/torch_cpu/mt19937.h"

#include <algorithm>

#include "lib/base/torch_state.h"

namespace weightinit::torch_cpu {

Mt19937::Mt19937(std::uint32_t seed) : Mt19937(SeededState(seed).words, kStateWords) {}

Mt19937::Mt19937(std::span<const std::uint32_t, kStateWords> state, std::size_t used)
    : state_{}, used_(used) {
  std::copy(state.begin(), state.end(), state_.begin());
}

std::uint32_t Mt19937::Next() {
  std::uint32_t word;
  Draw({&word, 1});
  return word;
}

void Mt19937::Refill() {
  BestKernels().refill(state_.data());
  used_ = 0;
}

void Mt19937::Draw(std::span<std::uint32_t> out) {
  std::uint32_t* to = out.data();
  DrawUntempered(out.size(), [&](std::span<const std::uint32_t> run) {
    BestKernels().temper(run.data(), run.size(), to);
    to += run.size();
  });
}

void Mt19937::Skip(std::uint64_t count) {
  const Kernels& kernels = BestKernels();
  std::uint64_t left = kStateWords - used_;
  for (; count > left; count -= left, left = kStateWords) kernels.refill(state_.data());
  used_ = kStateWords - static_cast<std::size_t>(left - count);
}

bool operator==(const Mt19937& a, const Mt19937& b) {
  return a.used_ == b.used_ && std::ranges::equal(a.state(), b.state());
}

}  // namespace weightinit::torch_cpu
