#include "lib/source/jax_threefry/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lib/source/jax_threefry/kernels.h"
#include "lib/source/torch_cpu/kernels.h"

namespace weightinit::jax_threefry {
namespace {

constexpr std::size_t kRun = 2048;  // 8 KiB of words, which stay in any first-level cache

// Blocks (hi32(i), lo32(i)) of consecutive i. Calls take(done, firsts, seconds).
template <class Take>
void ForPartitionable(Key key, std::uint64_t first, std::size_t count, const Take& take) {
  std::array<std::uint32_t, kRun> a, b;
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t at = first + done;
    const std::uint64_t until = (std::uint64_t{1} << 32) - static_cast<std::uint32_t>(at);
    const auto n = static_cast<std::size_t>(
        std::min({std::uint64_t{kRun}, static_cast<std::uint64_t>(count - done), until}));
    BestKernels().blocks(key, static_cast<std::uint32_t>(at >> 32), 0,
                         static_cast<std::uint32_t>(at), n, a.data(), b.data());
    take(done, std::span<const std::uint32_t>(a).first(n),
         std::span<const std::uint32_t>(b).first(n));
    done += n;
  }
}

// Words [first, first + out.size()) of `words` in the legacy layout.
void DrawLegacyWords(Key key, std::uint64_t words, std::uint64_t first,
                     std::span<std::uint32_t> out) {
  const std::uint64_t half = (words + 1) / 2;
  while (!out.empty()) {
    const bool second = first >= half;
    const std::uint64_t low = second ? first - half : first;
    // The padded block stands alone.
    const std::uint64_t whole = words / 2;
    if (low >= whole) {
      out[0] = LegacyWord(key, words, first);
      out = out.subspan(1);
      ++first;
      continue;
    }
    const auto n =
        static_cast<std::size_t>(std::min(static_cast<std::uint64_t>(out.size()), whole - low));
    BestKernels().blocks(key, static_cast<std::uint32_t>(low), 1,
                         static_cast<std::uint32_t>(low + half), n, second ? nullptr : out.data(),
                         second ? out.data() : nullptr);
    out = out.subspan(n);
    first += n;
  }
}

// 23 bits of each word, in its low end.
void DrawMantissas(const Array& array, std::uint64_t first, std::span<std::uint32_t> out) {
  DrawBits(array, 32, first, out);
  for (std::uint32_t& word : out) word >>= 9;
}

// uniform(minval, maxval) of mantissas.
void UniformOf(std::span<const std::uint32_t> mantissas, float minval, float maxval, float* out) {
  torch_cpu::BestKernels().uniform(mantissas.data(), mantissas.size(), 23,
                                   {.offset = minval, .scale = maxval - minval}, true, out);
  for (std::size_t i = 0; i < mantissas.size(); ++i) out[i] = std::max(minval, out[i]);
}

}  // namespace

void DrawBits(const Array& array, int bits, std::uint64_t first, std::span<std::uint32_t> out) {
  const std::uint32_t mask = bits == 32 ? 0xFFFFFFFF : (std::uint32_t{1} << bits) - 1;
  if (array.layout == Layout::kPartitionable) {
    ForPartitionable(array.key, first, out.size(), [&](std::size_t done, auto a, auto b) {
      for (std::size_t i = 0; i < a.size(); ++i) out[done + i] = (a[i] ^ b[i]) & mask;
    });
    return;
  }
  if (bits == 32) return DrawLegacyWords(array.key, array.total, first, out);
  // Several elements share a word, the first in its low end.
  const auto per_word = static_cast<std::uint64_t>(32 / bits);
  const std::uint64_t words = (array.total + per_word - 1) / per_word;
  std::array<std::uint32_t, kRun> drawn;
  for (std::size_t done = 0; done < out.size();) {
    const std::uint64_t begin = (first + done) / per_word;
    const std::size_t n = std::min(kRun, static_cast<std::size_t>(words - begin));
    DrawLegacyWords(array.key, words, begin, std::span(drawn).first(n));
    for (; done < out.size() && (first + done) / per_word < begin + n; ++done) {
      const std::uint64_t i = first + done;
      out[done] = drawn[static_cast<std::size_t>(i / per_word - begin)] >>
                      (static_cast<int>(i % per_word) * bits) &
                  mask;
    }
  }
}

void DrawBits64(const Array& array, std::uint64_t first, std::span<std::uint64_t> out) {
  if (array.layout == Layout::kPartitionable) {
    ForPartitionable(array.key, first, out.size(), [&](std::size_t done, auto a, auto b) {
      for (std::size_t i = 0; i < a.size(); ++i) out[done + i] = std::uint64_t{a[i]} << 32 | b[i];
    });
    return;
  }
  // The first half of the words are the high parts.
  std::array<std::uint32_t, kRun> high, low;
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t n = std::min(kRun, out.size() - done);
    DrawLegacyWords(array.key, 2 * array.total, first + done, std::span(high).first(n));
    DrawLegacyWords(array.key, 2 * array.total, array.total + first + done,
                    std::span(low).first(n));
    for (std::size_t i = 0; i < n; ++i) out[done + i] = std::uint64_t{high[i]} << 32 | low[i];
    done += n;
  }
}

void DrawUniform(const Array& array, float minval, float maxval, std::uint64_t first,
                 std::span<float> out) {
  std::array<std::uint32_t, kRun> mantissas;
  for (std::size_t done = 0; done < out.size();) {
    const auto run = std::span(mantissas).first(std::min(kRun, out.size() - done));
    DrawMantissas(array, first + done, run);
    UniformOf(run, minval, maxval, out.data() + done);
    done += run.size();
  }
}

void DrawNormal(const Array& array, std::uint64_t first, std::span<float> out) {
  // maxval - minval rounds to 2, so that one rounding or two make no difference.
  const float lowest = std::nextafter(-1.0f, 0.0f);
  DrawUniform(array, lowest, 1.0f, first, out);
  BestKernels().normal_of_uniform(out.data(), out.size(), out.data());
}

void DrawTruncatedNormal(const Array& array, float lower, float upper, std::uint64_t first,
                         std::span<float> out) {
  // erf in binary64, rounded: XLA's is within an ulp of it.
  const auto erf = [](float bound) {
    return static_cast<float>(std::erf(static_cast<double>(bound / kSqrtTwo)));
  };
  DrawUniform(array, erf(lower), erf(upper), first, out);
  BestKernels().normal_of_uniform(out.data(), out.size(), out.data());
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float low = std::nextafter(lower, kInfinity), high = std::nextafter(upper, -kInfinity);
  for (float& value : out) value = std::min(std::max(value, low), high);
}

}  // namespace weightinit::jax_threefry
