// torch.Generator on CPU: MT19937, and one normal value that the serial path keeps for later.
//
// Thread-safety: values.
#ifndef WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_
#define WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "lib/source/torch_cpu/mt19937.h"

namespace weightinit::torch_cpu {

struct Generator {
  std::uint64_t seed = 0;  // what manual_seed got; only its low 32 bits matter
  Mt19937 words{0};
  std::optional<double> cached_normal;  // of mean 0 and std 1; survives every other fill

  friend bool operator==(const Generator&, const Generator&) = default;
};

// torch.manual_seed(seed).
Generator Seeded(std::uint64_t seed);

// A 64-bit draw: the first word is the high half.
inline std::uint64_t Next64(Mt19937& words) {
  const std::uint64_t high = words.Next();
  return high << 32 | words.Next();
}

// torch.get_rng_state(): 5056 bytes, little-endian.
inline constexpr std::size_t kStateBytes = 5056;
std::array<std::byte, kStateBytes> SerializeState(const Generator& generator);

// Errors: INVALID_ARGUMENT at `field` for another length, and for what torch never writes.
absl::StatusOr<Generator> ParseState(std::span<const std::byte> state, std::string_view field);

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

  // What gives word position() next.
  const Mt19937& words() const { return words_; }
  std::uint64_t position() const { return position_; }

 private:
  Mt19937 words_;
  std::uint64_t position_;
};

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_SOURCE_TORCH_CPU_GENERATOR_H_
