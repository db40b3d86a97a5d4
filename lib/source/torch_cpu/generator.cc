#include "lib/source/torch_cpu/generator.h"

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
bool IsFresh(const Mt19937& words) { return words == Mt19937(words.state()[0]); }

}  // namespace

Generator Seeded(std::uint64_t seed) {
  return {.seed = seed, .words = Mt19937(static_cast<std::uint32_t>(seed)), .cached_normal = {}};
}

std::array<std::byte, kStateBytes> SerializeState(const Generator& generator) {
  std::array<std::byte, kStateBytes> bytes{};
  const auto used = static_cast<std::uint32_t>(generator.words.used());
  Store<std::uint64_t>(generator.seed, kSeed, bytes);
  Store<std::int32_t>(static_cast<std::int32_t>(kStateWords + 1 - used), kLeft, bytes);
  Store<std::int32_t>(1, kSeeded, bytes);
  Store<std::uint64_t>(IsFresh(generator.words) ? 0 : used, kNext, bytes);
  for (std::size_t i = 0; i < kStateWords; ++i)
    Store<std::uint64_t>(generator.words.state()[i], kWords + 8 * i, bytes);
  if (generator.cached_normal.has_value()) {
    Store<double>(*generator.cached_normal, kNormalY, bytes);
    Store<std::int32_t>(1, kNormalIsValid, bytes);
  }
  return bytes;
}

absl::StatusOr<Generator> ParseState(std::span<const std::byte> state, std::string_view field) {
  const auto error = [&](const std::string& what) { return FieldError(field, what); };
  if (state.size() != kStateBytes) {
    return error(std::to_string(state.size()) +
                 " bytes; allowed: the 5056 bytes of torch.get_rng_state()");
  }
  const auto left = Load<std::int32_t>(state, kLeft);
  const auto next = Load<std::uint64_t>(state, kNext);
  const bool fresh = left == 1 && next == 0;
  if (Load<std::int32_t>(state, kSeeded) != 1 || left < 1 || left > std::int32_t{kStateWords} ||
      (!fresh && next != kStateWords + 1 - static_cast<std::uint64_t>(left))) {
    return error("not a state of torch's CPU generator (left " + std::to_string(left) + ", next " +
                 std::to_string(next) + "); allowed: what torch.get_rng_state() returns");
  }
  std::array<std::uint32_t, kStateWords> words;
  for (std::size_t i = 0; i < kStateWords; ++i) {
    const auto word = Load<std::uint64_t>(state, kWords + 8 * i);
    words[i] = static_cast<std::uint32_t>(word);
    if (words[i] != word) {
      return error("word " + std::to_string(i) + " of the state is " + std::to_string(word) +
                   "; allowed: less than 2^32");
    }
  }
  Generator generator{.seed = Load<std::uint64_t>(state, kSeed),
                      .words = Mt19937(words, fresh ? kStateWords : static_cast<std::size_t>(next)),
                      .cached_normal = {}};
  if (Load<std::int32_t>(state, kNormalIsValid) != 0) {
    generator.cached_normal = Load<double>(state, kNormalY);
    if (!std::isfinite(*generator.cached_normal))
      return error("the kept normal value is not finite; allowed: a finite number");
  }
  return generator;
}

}  // namespace weightinit::torch_cpu
