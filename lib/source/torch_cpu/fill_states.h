// Where the words of one fill are known to stand, so that a part of it need not begin at its start.
//
// Thread-safety: may be used from several threads at once. One thread passes over words that no one
// has passed yet, the others wait for it.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_FILL_STATES_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_FILL_STATES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "lib/source/torch_cpu/generator.h"

namespace weightinit::torch_cpu {

class FillStates {
 public:
  // `start` gives word 0 of a fill of that many words.
  FillStates(const Mt19937& start, std::uint64_t words);

  // Words that stand at `position` or a little before it.
  FillWords At(std::uint64_t position) const;

  // Remembers where someone stopped: the next part often begins there.
  void Leave(const FillWords& words) const;

  // The most that it will ever take, in bytes.
  std::int64_t bytes() const;

 private:
  static constexpr std::uint64_t kMostKept = 256;
  // Passing over that many words costs less than 20 µs.
  static constexpr std::uint64_t kLeastSpacing = std::uint64_t{1} << 16;

  const std::uint64_t words_, spacing_;
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, Mt19937> kept_;  // at multiples of the spacing, without gaps
  mutable std::array<std::optional<FillWords>, 8> left_;  // in a circle
  mutable std::size_t next_left_ = 0;
};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_FILL_STATES_H_
