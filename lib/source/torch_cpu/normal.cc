#include "lib/source/torch_cpu/normal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>
#include <type_traits>

#include "lib/source/kernels/kernels.h"
#include "lib/source/torch_cpu/exact_fma.h"
#include "lib/source/torch_cpu/narrow_normal.h"
#include "lib/source/torch_cpu/numbers.h"
#include "lib/source/torch_cpu/uniform.h"

namespace weightinit::torch_cpu {
namespace {

constexpr auto kBlock = static_cast<std::int64_t>(kNormalBlock);
constexpr std::int64_t kBlocksPerRun = 128;  // 16 KiB of words and values, as uniform.cc
constexpr double kTwoPiDouble = 2 * std::numbers::pi;

// 16-bit types are computed in float32 and rounded once.
bool IsComputedInFloat32(const Dialect& dialect, DType dtype) {
  return dtype == DType::kFloat32 || (dialect.since_2_12() && dtype != DType::kFloat64);
}

// The portable kernel: libm's logarithm, sine and cosine in the type of the value.
template <class Value>
void PortableBlock(const Value* uniforms, Value mean, Value std, bool fused, Value* out) {
  constexpr std::size_t kHalf = kNormalBlock / 2;
  for (std::size_t j = 0; j < kHalf; ++j) {
    const Value u1 = 1 - uniforms[j];
    const Value radius = std::sqrt(-2 * std::log(u1));
    const auto angle = static_cast<Value>(kTwoPiDouble * static_cast<double>(uniforms[j + kHalf]));
    const Value cosine = radius * std::cos(angle), sine = radius * std::sin(angle);
    out[j] = fused ? ExactFma(cosine, std, mean) : cosine * std + mean;
    out[j + kHalf] = fused ? ExactFma(sine, std, mean) : sine * std + mean;
  }
}

// Blocks of words to blocks of values, in what is computed in.
void Float32Blocks(const std::uint32_t* words, std::size_t blocks, const Dialect& dialect,
                   const NormalFill& fill, float* out) {
  const auto mean = static_cast<float>(fill.mean), std = static_cast<float>(fill.std);
  if (dialect.vector_normals()) {
    BestKernels().normal(words, blocks, {.offset = mean, .scale = std}, dialect.fused(), out);
    return;
  }
  const bool fused = dialect.fused() || dialect.since_2_12();
  for (; blocks > 0; --blocks, words += kNormalBlock, out += kNormalBlock) {
    std::array<float, kNormalBlock> uniforms;
    for (std::size_t i = 0; i < kNormalBlock; ++i)
      uniforms[i] = static_cast<float>(words[i] & 0xFFFFFF) * 0x1p-24f;
    PortableBlock(uniforms.data(), mean, std, fused, out);
  }
}

void Float64Blocks(const std::uint32_t* words, std::size_t blocks, const Dialect& dialect,
                   const NormalFill& fill, double* out) {
  const bool fused = dialect.fused() || (!dialect.vector_normals() && dialect.since_2_12());
  for (; blocks > 0; --blocks, words += 2 * kNormalBlock, out += kNormalBlock) {
    std::array<double, kNormalBlock> uniforms;
    for (std::size_t i = 0; i < kNormalBlock; ++i) {
      const double high = words[2 * i] & 0x1FFFFF, low = words[2 * i + 1];
      uniforms[i] = (high * 0x1p32 + low) * 0x1p-53;
    }
    PortableBlock(uniforms.data(), fill.mean, fill.std, fused, out);
  }
}

// Whole blocks, the first of which begins at word `position`.
template <class Numbers>
void DrawBlocks(FillWords& words, const Dialect& dialect, const NormalFill& fill, DType dtype,
                std::uint64_t position, std::int64_t blocks, std::byte* out) {
  using Value = typename Numbers::Value;
  using Element = typename Numbers::Element;
  const std::size_t words_per_block = kNormalBlock * WordsPerElement(dtype);
  std::array<std::uint32_t, kNormalBlock * kBlocksPerRun * sizeof(Value) / sizeof(float)> drawn;
  alignas(64) std::array<Value, kNormalBlock * kBlocksPerRun> made;
  while (blocks > 0) {
    const auto n = static_cast<std::size_t>(std::min(blocks, kBlocksPerRun));
    words.Draw(position, std::span(drawn).first(n * words_per_block));
    const std::size_t count = n * kNormalBlock;
    const bool in_place = std::is_same_v<Element, Value> &&
                          reinterpret_cast<std::uintptr_t>(out) % alignof(Value) == 0;
    Value* const values = in_place ? reinterpret_cast<Value*>(out) : made.data();
    if constexpr (std::is_same_v<Numbers, Float64Numbers>) {
      Float64Blocks(drawn.data(), n, dialect, fill, values);
    } else if (IsComputedInFloat32(dialect, dtype)) {
      Float32Blocks(drawn.data(), n, dialect, fill, values);
    } else {
      NarrowBlocks(drawn.data(), n, dialect, fill, dtype, values);
    }
    if constexpr (std::is_same_v<Element, Value>) {
      if (!in_place) std::memcpy(out, values, count * sizeof(Element));
    } else {
      kernels::BestKernels().convert(values, static_cast<std::int64_t>(count), dtype, out);
    }
    position += n * words_per_block;
    blocks -= static_cast<std::int64_t>(n);
    out += count * sizeof(Element);
  }
}

// Of blocks that begin at element `begin` and word `position`, the elements [first, first + count).
template <class Numbers>
void DrawPart(FillWords& words, const Dialect& dialect, const NormalFill& fill, DType dtype,
              std::int64_t begin, std::uint64_t position, std::int64_t first, std::int64_t count,
              std::byte* out) {
  constexpr auto kElementBytes = static_cast<std::int64_t>(sizeof(typename Numbers::Element));
  while (count > 0) {
    const std::int64_t block = (first - begin) / kBlock, skip = (first - begin) % kBlock;
    const std::uint64_t at =
        position + static_cast<std::uint64_t>(block * kBlock) * WordsPerElement(dtype);
    std::int64_t n;
    if (skip == 0 && count >= kBlock) {
      n = count - count % kBlock;
      DrawBlocks<Numbers>(words, dialect, fill, dtype, at, n / kBlock, out);
    } else {
      n = std::min(count, kBlock - skip);
      std::array<std::byte, kNormalBlock * sizeof(double)> whole;
      DrawBlocks<Numbers>(words, dialect, fill, dtype, at, 1, whole.data());
      std::memcpy(out, whole.data() + skip * kElementBytes,
                  static_cast<std::size_t>(n * kElementBytes));
    }
    first += n;
    count -= n;
    out += n * kElementBytes;
  }
}

// The word where the last block begins if n is no multiple of 16: the uniforms of all elements are
// drawn first. Not so in the 16-bit types since 2.12.
std::uint64_t TailPosition(const Dialect& dialect, DType dtype, std::int64_t n) {
  const bool leftovers = !dialect.since_2_12() || SizeBytes(dtype) > 2;
  const auto elements = static_cast<std::uint64_t>(leftovers ? n : n - n % kBlock);
  return elements * WordsPerElement(dtype);
}

}  // namespace

std::uint64_t BlockNormalWords(const Dialect& dialect, DType dtype, std::int64_t n) {
  const std::uint64_t tail = n % kBlock == 0 ? 0 : kNormalBlock * WordsPerElement(dtype);
  return TailPosition(dialect, dtype, n) + tail;
}

void DrawBlockNormal(FillWords& words, const Dialect& dialect, const NormalFill& fill, DType dtype,
                     std::int64_t n, std::int64_t first, std::int64_t count, std::byte* out) {
  // The last 16 elements are drawn once more where the last block is not whole.
  const std::int64_t tail = n % kBlock == 0 ? n : n - kBlock;
  const std::int64_t before = std::clamp(tail - first, std::int64_t{0}, count);
  WithNumbers(dtype, [&]<class Numbers>(Numbers) {
    DrawPart<Numbers>(words, dialect, fill, dtype, 0, 0, first, before, out);
    DrawPart<Numbers>(words, dialect, fill, dtype, tail, TailPosition(dialect, dtype, n),
                      first + before, count - before, out + before * SizeBytes(dtype));
  });
}

void DrawSerialNormal(Generator& generator, const Dialect& dialect, const NormalFill& fill,
                      DType dtype, std::int64_t count, std::byte* out) {
  const auto uniform = [&] {
    return static_cast<double>(Next64(generator.words) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
  };
  const auto next = [&] {
    if (generator.cached_normal.has_value()) {
      const double z = *generator.cached_normal;
      generator.cached_normal.reset();
      return z;
    }
    const double u1 = uniform(), u2 = uniform();
    const double radius = std::sqrt(-2.0 * std::log(1.0 - u2));
    const double angle = kTwoPiDouble * u1;
    generator.cached_normal = radius * std::sin(angle);
    return radius * std::cos(angle);
  };
  WithNumbers(dtype, [&]<class Numbers>(Numbers) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double z = next();
      const double value =
          dialect.fused() ? ExactFma(z, fill.std, fill.mean) : z * fill.std + fill.mean;
      const auto element = Numbers::Encode(Numbers::Of(value));
      std::memcpy(out, &element, sizeof element);
      out += sizeof element;
    }
  });
}

}  // namespace weightinit::torch_cpu
