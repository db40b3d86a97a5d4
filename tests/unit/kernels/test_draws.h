// Helpers of the kernel tests: draws of every distribution, and the bits of what they wrote.
#ifndef WEIGHTINIT_TESTS_UNIT_KERNELS_TEST_DRAWS_H_
#define WEIGHTINIT_TESTS_UNIT_KERNELS_TEST_DRAWS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {

// seed 0x0123456789abcdef, name "fc1.weight".
inline constexpr Stream kStream{.seed = 0x0123456789abcdef, .subsequence = 0xf3b4a76504bd528c};

struct NamedDType {
  DType dtype;
  const char* name;
  std::size_t width;
};
inline constexpr NamedDType kFloatingDTypes[] = {
    {DType::kFloat32, "FLOAT32", 4},
    {DType::kBFloat16, "BFLOAT16", 2},
    {DType::kFloat16, "FLOAT16", 2},
    {DType::kFloat64, "FLOAT64", 8},
    {DType::kFloat8E4M3FN, "FLOAT8_E4M3FN", 1},
    {DType::kFloat8E5M2, "FLOAT8_E5M2", 1},
};

// The bits of element i of a buffer, zero-extended (little-endian machines alone).
inline std::uint64_t BitsAt(const std::byte* data, std::size_t i, std::size_t width) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, data + i * width, width);
  return bits;
}

struct Distribution {
  std::string name;
  std::function<void(const Kernels&, std::uint64_t first, std::int64_t count, DType, std::byte*)>
      draw;
};

inline Distribution UniformOf(std::string name, double low, double high) {
  return {std::move(name),
          [p = MakeUniformParams(low, high)](const Kernels& k, std::uint64_t first,
                                             std::int64_t count, DType dtype, std::byte* out) {
            k.uniform(kStream, p, first, count, dtype, out);
          }};
}

inline Distribution NormalOf(std::string name, double mean, double std) {
  return {std::move(name),
          [p = MakeNormalParams(mean, std)](const Kernels& k, std::uint64_t first,
                                            std::int64_t count, DType dtype, std::byte* out) {
            k.normal(kStream, p, first, count, dtype, out);
          }};
}

inline Distribution TruncatedOf(std::string name, TruncatedNormalParams p) {
  return {std::move(name),
          [p](const Kernels& k, std::uint64_t first, std::int64_t count, DType dtype,
              std::byte* out) { k.truncated_normal(kStream, p, first, count, dtype, out); }};
}

// Every branch: clamps, subnormal results, centre and tail, one side and both, ABSOLUTE bounds, no
// spread.
inline std::vector<Distribution> Distributions() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {
      UniformOf("uniform(-0.37, 0.11)", -0.37, 0.11),
      UniformOf("uniform(-0.5, 0.5)", -0.5, 0.5),
      UniformOf("uniform(0, 1e-40)", 0, 1e-40),
      UniformOf("uniform(-3e38, 3e38)", -3e38, 3e38),
      UniformOf("uniform(7, 7)", 7, 7),
      NormalOf("normal(0, 1)", 0, 1),
      NormalOf("normal(0.25, 0.02)", 0.25, 0.02),
      NormalOf("normal(0, 1e-39)", 0, 1e-39),
      NormalOf("normal(0, 30000)", 0, 30000),
      NormalOf("normal(0, 0)", 0, 0),
      TruncatedOf("truncated_normal(0, 1, -2, 2)", MakeTruncatedNormalParams(0, 1, -2, 2)),
      TruncatedOf("truncated_normal(0, 0.02, -100, 100)",
                  MakeTruncatedNormalParams(0, 0.02, -100, 100)),
      TruncatedOf("truncated_normal(-0.5, 3, -1, inf)",
                  MakeTruncatedNormalParams(-0.5, 3, -1, kInfinity)),
      TruncatedOf("truncated_normal(0, 1, 7.9, inf)",
                  MakeTruncatedNormalParams(0, 1, 7.9, kInfinity)),
      TruncatedOf("truncated_normal(0, 1, -inf, -8)",
                  MakeTruncatedNormalParams(0, 1, -kInfinity, -8)),
      TruncatedOf("truncated_normal(0, 1, 0.001, 0.002)",
                  MakeTruncatedNormalParams(0, 1, 0.001, 0.002)),
      TruncatedOf("truncated_normal(0, 1, 0.5, 0.5)", MakeTruncatedNormalParams(0, 1, 0.5, 0.5)),
      TruncatedOf("truncated_normal(0.1, 0.7, ABSOLUTE -1, 1)",
                  MakeTruncatedNormalParams(0.1, 0.7, -1.1 / 0.7, 0.9 / 0.7, -1, 1)),
      TruncatedOf("truncated_normal(2, 0, ABSOLUTE -1, 1)",
                  MakeTruncatedNormalParams(2, 0, -kInfinity, kInfinity, -1, 1)),
  };
}

inline std::vector<std::byte> Draw(const Distribution& distribution, const Kernels& kernels,
                                   std::uint64_t first, std::int64_t count,
                                   const NamedDType& dtype) {
  std::vector<std::byte> out(static_cast<std::size_t>(count) * dtype.width);
  distribution.draw(kernels, first, count, dtype.dtype, out.data());
  return out;
}

// §5 of docs/philox-v1.md.
inline std::uint64_t Digest(const std::vector<std::byte>& data, std::uint64_t first,
                            std::size_t width) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < data.size() / width; ++i) {
    std::uint64_t z = (first + i) * 0x9E3779B97F4A7C15 + BitsAt(data.data(), i, width) + 1;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    sum += z ^ z >> 31;
  }
  return sum;
}

}  // namespace weightinit::kernels

#endif  // WEIGHTINIT_TESTS_UNIT_KERNELS_TEST_DRAWS_H_
