#include "lib/source/torch_cpu/fill.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

namespace weightinit::torch_cpu {

void FillUniform(Generator& generator, const Dialect& dialect, const UniformFill& fill, DType dtype,
                 std::int64_t n, std::byte* out) {
  FillWords words(generator.words);
  DrawUniform(words, dialect, fill, dtype, 0, n, out);
  generator.words = words.words();
}

void FillNormal(Generator& generator, const Dialect& dialect, const NormalFill& fill, DType dtype,
                std::int64_t n, std::byte* out) {
  if (!IsFilledInBlocks(n)) return DrawSerialNormal(generator, dialect, fill, dtype, n, out);
  FillWords words(generator.words);
  DrawBlockNormal(words, dialect, fill, dtype, n, 0, n, out);
  generator.words = words.words();
}

void RandPerm(Generator& generator, std::span<std::uint32_t> permutation) {
  std::iota(permutation.begin(), permutation.end(), 0u);
  std::array<std::uint32_t, 1024> words;
  const std::size_t n = permutation.size();
  for (std::size_t i = 0; i + 1 < n;) {
    const auto run = std::span(words).first(std::min(words.size(), n - 1 - i));
    generator.words.Draw(run);
    for (const std::uint32_t word : run) {
      std::swap(permutation[i], permutation[i + word % (n - i)]);
      ++i;
    }
  }
}

std::vector<std::uint32_t> SparseZeroRows(Generator& generator, std::int64_t rows,
                                          std::int64_t cols, std::int64_t zeros) {
  std::vector<std::uint32_t> result;
  result.reserve(static_cast<std::size_t>(zeros * cols));
  std::vector<std::uint32_t> permutation(static_cast<std::size_t>(rows));
  for (std::int64_t column = 0; column < cols; ++column) {
    RandPerm(generator, permutation);
    result.insert(result.end(), permutation.begin(), permutation.begin() + zeros);
  }
  return result;
}

}  // namespace weightinit::torch_cpu
