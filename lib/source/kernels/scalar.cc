// The reference: PHILOX_V1 in plain C++, one element at a time, in the order of docs/philox-v1.md.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "lib/source/kernels/mix.h"
#include "lib/source/kernels/number_formats.h"
#include "lib/source/kernels/reference.h"
#include "lib/source/kernels/targets.h"

namespace weightinit::kernels {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
Block Philox(Block counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key0, static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key1, static_cast<std::uint32_t>(p0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

Block BlockOf(Stream stream, int plane, std::uint64_t index) {
  const std::uint64_t block = index / 4 + (static_cast<std::uint64_t>(plane) << 62);
  return Philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                 static_cast<std::uint32_t>(stream.subsequence),
                 static_cast<std::uint32_t>(stream.subsequence >> 32)},
                static_cast<std::uint32_t>(stream.seed),
                static_cast<std::uint32_t>(stream.seed >> 32));
}

// Calls value(word, i) for each element of one-word draws.
template <class Value>
void ForEachWord(Stream stream, int plane, std::uint64_t first_index, std::int64_t count,
                 const Value& value) {
  Block block{};
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t index = first_index + static_cast<std::uint64_t>(i);
    if (i == 0 || index % 4 == 0) block = BlockOf(stream, plane, index);
    value(block[index % 4], i);
  }
}

template <class T>
void Store(T value, std::int64_t i, std::byte* out) {
  std::memcpy(out + static_cast<std::size_t>(i) * sizeof(value), &value, sizeof(value));
}

// Calls function(convert) with what turns a binary32 into an element of the dtype.
template <class Function>
void WithConversion(DType dtype, const Function& function) {
  switch (dtype) {
    case DType::kFloat32:
      return function([](float x) { return x; });
    case DType::kFloat64:
      return function([](float x) { return static_cast<double>(x); });
    case DType::kBFloat16:
      return function(BFloat16Bits);
    case DType::kFloat16:
      return function(Float16Bits);
    case DType::kFloat8E4M3FN:
      return function(Float8E4M3FNBits);
    case DType::kFloat8E5M2:
      return function(Float8E5M2Bits);
    default:
      return;
  }
}

void Uniform(Stream stream, const Affine32& p, std::uint64_t first_index, std::int64_t count,
             DType dtype, std::byte* out) {
  WithConversion(dtype, [&](const auto& convert) {
    ForEachWord(stream, kValuePlane, first_index, count, [&](std::uint32_t word, std::int64_t i) {
      const float x = p.offset + p.scale * Symmetric(word);
      Store(convert(std::min(std::max(x, p.low), p.high)), i, out);
    });
  });
}

void Normal(Stream stream, const Affine32& p, std::uint64_t first_index, std::int64_t count,
            DType dtype, std::byte* out) {
  WithConversion(dtype, [&](const auto& convert) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint64_t index = first_index + static_cast<std::uint64_t>(i);
      const Block block = BlockOf(stream, kValuePlane, index);
      const std::size_t even = index % 4 & ~std::size_t{1};
      const Pair z = NormalPair(block[even], block[even + 1]);
      Store(convert(p.offset + p.scale * (index % 2 == 0 ? z.first : z.second)), i, out);
    }
  });
}

void TruncatedNormal(Stream stream, const TruncatedNormalParams& params, const Affine32& p,
                     std::uint64_t first_index, std::int64_t count, DType dtype, std::byte* out) {
  WithConversion(dtype, [&](const auto& convert) {
    ForEachWord(stream, kValuePlane, first_index, count, [&](std::uint32_t word, std::int64_t i) {
      const float x = p.offset + p.scale * TruncatedZ(word, params);
      Store(convert(std::min(std::max(x, p.low), p.high)), i, out);
    });
  });
}

void NormalOfWords(const std::uint32_t* words, std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; i += 2) {
    const Pair z = NormalPair(words[i], words[i + 1]);
    out[i] = z.first;
    out[i + 1] = z.second;
  }
}

void TruncatedOfWords(const TruncatedNormalParams& params, const std::uint32_t* words,
                      std::int64_t count, float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = TruncatedZ(words[i], params);
}

void AffineF64(const Affine64& p, const float* in, std::int64_t count, double* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = std::min(std::max(p.offset + p.scale * static_cast<double>(in[i]), p.low), p.high);
  }
}

void Convert(const float* in, std::int64_t count, DType dtype, std::byte* out) {
  WithConversion(dtype, [&](const auto& convert) {
    for (std::int64_t i = 0; i < count; ++i) Store(convert(in[i]), i, out);
  });
}

void Words(Stream stream, int plane, std::uint64_t first_index, std::span<std::uint32_t> out) {
  ForEachWord(stream, plane, first_index, static_cast<std::int64_t>(out.size()),
              [&](std::uint32_t word, std::int64_t i) { out[static_cast<std::size_t>(i)] = word; });
}

std::uint64_t Digest(std::uint64_t position, std::uint64_t step, const std::byte* values,
                     std::int64_t count, int element_bytes) {
  const auto n = static_cast<std::size_t>(count);
  switch (element_bytes) {
    case 1:
      return DigestByElement<std::uint8_t>(position, step, values, n);
    case 2:
      return DigestByElement<std::uint16_t>(position, step, values, n);
    case 4:
      return DigestByElement<std::uint32_t>(position, step, values, n);
    default:
      return DigestByElement<std::uint64_t>(position, step, values, n);
  }
}

struct Scalar {
  static constexpr std::string_view kName = "scalar";
  static constexpr auto words = kernels::Words;
  static constexpr auto uniform = kernels::Uniform;
  static constexpr auto normal = kernels::Normal;
  static constexpr auto truncated_normal = kernels::TruncatedNormal;
  static constexpr auto digest = Digest;
  static constexpr auto normal_of_words = NormalOfWords;
  static constexpr auto truncated_normal_of_words = TruncatedOfWords;
  static constexpr auto affine64 = AffineF64;
  static constexpr auto convert = kernels::Convert;
};

}  // namespace

const Kernels& ScalarKernels() { return kTable<Scalar>; }

}  // namespace weightinit::kernels
