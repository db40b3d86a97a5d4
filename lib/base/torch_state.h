// The state of torch's CPU generator, and how torch.get_rng_state() writes it.
//
// Thread-safety: values and pure functions.
#ifndef WEIGHTINIT_LIB_BASE_TORCH_STATE_H_
#define WEIGHTINIT_LIB_BASE_TORCH_STATE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"

namespace weightinit::torch_cpu {

inline constexpr std::size_t kStateWords = 624;
inline constexpr std::size_t kStateBytes = 5056;

struct State {
  std::uint64_t seed = 0;  // what manual_seed got
  std::array<std::uint32_t, kStateWords> words{};
  std::size_t used = kStateWords;            // of the words, ≤ kStateWords
  std::optional<double> cached_normal = {};  // of mean 0 and std 1
  friend bool operator==(const State&, const State&) = default;
};

// torch.manual_seed(seed): init_genrand of the low 32 bits.
State SeededState(std::uint64_t seed);

// 5056 bytes, little-endian.
std::array<std::byte, kStateBytes> SerializeState(const State& state);

// Errors: INVALID_ARGUMENT at `field` for another length, and for what torch never writes.
absl::StatusOr<State> ParseState(std::span<const std::byte> bytes, std::string_view field);

}  // namespace weightinit::torch_cpu

#endif  // WEIGHTINIT_LIB_BASE_TORCH_STATE_H_
