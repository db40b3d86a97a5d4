#include "lib/base/torch_state.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "weightinit/status.h"

namespace weightinit::torch_cpu {
namespace {

// Offsets of CPUGeneratorImplState (aten/src/ATen/CPUGeneratorImpl.cpp).
constexpr std::size_t kSeed = 0, kLeft = 8, kSeeded = 12, kNext = 16, kWords = 24;
constexpr std::size_t kNormalY = kWords + 8 * kStateWords + 8;  // between normal_x and normal_rho
constexpr std::size_t kNormalIsValid = kNormalY + 16;
static_assert(kNormalIsValid + 16 == kStateBytes);

template <class T>
T Load(std::span<const std::byte> bytes, std::size_t offset) {
  static_assert(std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

template <class T>
void Store(T value, std::size_t offset, std::span<std::byte> bytes) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
}

// Until its first word is drawn, a seeded state says that none of a block that does not exist yet
// has been used.
bool IsFresh(const State& state) {
  return state.used == kStateWords && state.words == SeededState(state.words[0]).words;
}

}  // namespace

State SeededState(std::uint64_t seed) {
  State state;
  state.seed = seed;
  state.words[0] = static_cast<std::uint32_t>(seed);
  for (std::uint32_t j = 1; j < kStateWords; ++j)
    state.words[j] = 1812433253u * (state.words[j - 1] ^ (state.words[j - 1] >> 30)) + j;
  return state;
}

std::array<std::byte, kStateBytes> SerializeState(const State& state) {
  std::array<std::byte, kStateBytes> bytes{};
  const auto used = static_cast<std::uint32_t>(state.used);
  Store<std::uint64_t>(state.seed, kSeed, bytes);
  Store<std::int32_t>(static_cast<std::int32_t>(kStateWords + 1 - used), kLeft, bytes);
  Store<std::int32_t>(1, kSeeded, bytes);
  Store<std::uint64_t>(IsFresh(state) ? 0 : used, kNext, bytes);
  for (std::size_t i = 0; i < kStateWords; ++i)
    Store<std::uint64_t>(state.words[i], kWords + 8 * i, bytes);
  if (state.cached_normal.has_value()) {
    Store<double>(*state.cached_normal, kNormalY, bytes);
    Store<std::int32_t>(1, kNormalIsValid, bytes);
  }
  return bytes;
}

absl::StatusOr<State> ParseState(std::span<const std::byte> bytes, std::string_view field) {
  const auto error = [&](const std::string& what) { return FieldError(field, what); };
  if (bytes.size() != kStateBytes) {
    return error(std::to_string(bytes.size()) +
                 " bytes; allowed: the 5056 bytes of torch.get_rng_state()");
  }
  const auto left = Load<std::int32_t>(bytes, kLeft);
  const auto next = Load<std::uint64_t>(bytes, kNext);
  const bool fresh = left == 1 && next == 0;
  if (Load<std::int32_t>(bytes, kSeeded) != 1 || left < 1 || left > std::int32_t{kStateWords} ||
      (!fresh && next != kStateWords + 1 - static_cast<std::uint64_t>(left))) {
    return error("not a state of torch's CPU generator (left " + std::to_string(left) + ", next " +
                 std::to_string(next) + "); allowed: what torch.get_rng_state() returns");
  }
  State state;
  state.seed = Load<std::uint64_t>(bytes, kSeed);
  state.used = fresh ? kStateWords : static_cast<std::size_t>(next);
  for (std::size_t i = 0; i < kStateWords; ++i) {
    const auto word = Load<std::uint64_t>(bytes, kWords + 8 * i);
    state.words[i] = static_cast<std::uint32_t>(word);
    if (state.words[i] != word) {
      return error("word " + std::to_string(i) + " of the state is " + std::to_string(word) +
                   "; allowed: less than 2^32");
    }
  }
  if (Load<std::int32_t>(bytes, kNormalIsValid) == 0) return state;
  state.cached_normal = Load<double>(bytes, kNormalY);
  if (std::isfinite(*state.cached_normal)) return state;
  return error("the kept normal value is not finite; allowed: a finite number");
}

}  // namespace weightinit::torch_cpu
