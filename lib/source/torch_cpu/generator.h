// torch.Generator on CPU: MT19937, and one normal value that the serial path keeps for later.
//
// Thread-safety: values.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "lib/base/torch_state.h"
#include "lib/source/torch_cpu/mt19937.h"

namespace weightinit::torch_cpu {

struct Generator {
  explicit Generator(const State& state);

  std::uint64_t seed;  // what manual_seed got; only its low 32 bits matter
  Mt19937 words;
  std::optional<double> cached_normal;  // of mean 0 and std 1; survives every other fill

  friend bool operator==(const Generator&, const Generator&) = default;
};

// torch.manual_seed(seed).
inline Generator Seeded(std::uint64_t seed) { return Generator(SeededState(seed)); }

State StateOf(const Generator& generator);

// A 64-bit draw: the first word is the high half.
inline std::uint64_t Next64(Mt19937& words) {
  const std::uint64_t high = words.Next();
  return high << 32 | words.Next();
}

// The words of one fill, read forwards.
class FillWords {
 public:
  // `words` gives the fill's word `position` next.
  explicit FillWords(const Mt19937& words, std::uint64_t position = 0)
      : words_(words), position_(position) {}

  // Words position, position + 1, …. REQUIRES: position ≥ position()
  void Draw(std::uint64_t position, std::span<std::uint32_t> out) {
    words_.Skip(position - position_);
    words_.Draw(out);
    position_ = position + out.size();
  }

  // The same in runs that are still to be tempered: take(std::span<const std::uint32_t>).
  template <class Take>
  void DrawUntempered(std::uint64_t position, std::size_t count, const Take& take) {
    words_.Skip(position - position_);
    words_.DrawUntempered(count, take);
    position_ = position + count;
  }

  // What gives word position() next.
  const Mt19937& words() const { return words_; }
  std::uint64_t position() const { return position_; }

 private:
  Mt19937 words_;
  std::uint64_t position_;
};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_
