// The reference: JAX_THREEFRY's kernels in plain C++.
#include <cmath>

#include "lib/source/jax_threefry/kernels.h"
#include "lib/source/torch_cpu/scalar_math.h"

namespace weightinit::jax_threefry {
namespace {

using torch_cpu::ExactFma;

void Blocks(Key key, std::uint32_t x0, std::uint32_t step, std::uint32_t x1, std::size_t count,
            std::uint32_t* first, std::uint32_t* second) {
  for (std::size_t i = 0; i < count; ++i, x0 += step, ++x1) {
    const Key block = Block(key, x0, x1);
    if (first != nullptr) first[i] = block.first;
    if (second != nullptr) second[i] = block.second;
  }
}

template <std::size_t n>
float Horner(const float (&coefficients)[n], float x) {
  float sum = coefficients[0];
  for (std::size_t k = 1; k < n; ++k) sum = ExactFma(sum, x, coefficients[k]);
  return sum;
}

// Valid range: (-1, 0].
float Log1p(float x) {
  if (!(std::abs(x) < kLog1pLimit)) return torch_cpu::Log<true>(x + 1.0f);
  const float square = x * x;
  const float ratio = Horner(kLog1pNumerator, x) / Horner(kLog1pDenominator, x);
  return x + ExactFma(-0.5f, square, (x * square) * ratio);
}

void NormalOfUniform(const float* u, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const float w = -Log1p(u[i] * -u[i]);
    const float p =
        w < kErfInvLimit ? Horner(kErfInvNear, w - 2.5f) : Horner(kErfInvFar, std::sqrt(w) - 3.0f);
    out[i] = kSqrtTwo * (p * u[i]);
  }
}

constexpr Kernels kScalar{
    .target = "scalar", .blocks = Blocks, .normal_of_uniform = NormalOfUniform};

}  // namespace

const Kernels& ScalarKernels() { return kScalar; }

}  // namespace weightinit::jax_threefry
