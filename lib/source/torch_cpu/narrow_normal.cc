#include "lib/source/torch_cpu/narrow_normal.h"

#include <array>
#include <cmath>
#include <numbers>

#include "lib/source/torch_cpu/exact_fma.h"
#include "lib/source/torch_cpu/numbers.h"

namespace weightinit::torch_cpu {
namespace {

// A uniform of so few digits has few values: what libm makes of them is looked up.
// `rounds` says whether every step is rounded to the dtype, or 1 - u, the radius and the angle
// alone.
template <class Numbers, bool rounds>
struct Tables {
  static constexpr std::size_t kValues = std::size_t{1} << Numbers::kDigits;
  std::array<float, kValues> radius, cosine, sine;

  static float Step(float x) { return rounds ? Numbers::Round(x) : x; }

  Tables() {
    for (std::size_t i = 0; i < kValues; ++i) {
      const float u = static_cast<float>(i) / static_cast<float>(kValues);
      const float log = Step(std::log(Numbers::Round(1 - u)));
      radius[i] = Numbers::Round(std::sqrt(Step(-2 * log)));
      const float angle = Numbers::Of(2 * std::numbers::pi * static_cast<double>(u));
      cosine[i] = Step(std::cos(angle));
      sine[i] = Step(std::sin(angle));
    }
  }
};

template <class Numbers, bool rounds>
void Blocks(const std::uint32_t* words, std::size_t blocks, bool fused, const NormalFill& fill,
            float* out) {
  using T = Tables<Numbers, rounds>;
  static const T tables;
  constexpr std::size_t kHalf = kNormalBlock / 2;
  constexpr std::uint32_t kMask = T::kValues - 1;
  const float mean = Numbers::Of(fill.mean), std = Numbers::Of(fill.std);
  const auto value = [&](float z) {
    if (rounds) return Numbers::Round(Numbers::Round(Numbers::Round(z) * std) + mean);
    return Numbers::Round(fused ? ExactFma(z, std, mean) : z * std + mean);
  };
  for (; blocks > 0; --blocks, words += kNormalBlock, out += kNormalBlock) {
    for (std::size_t j = 0; j < kHalf; ++j) {
      const float radius = tables.radius[words[j] & kMask];
      const std::uint32_t angle = words[j + kHalf] & kMask;
      out[j] = value(radius * tables.cosine[angle]);
      out[j + kHalf] = value(radius * tables.sine[angle]);
    }
  }
}

}  // namespace

void NarrowBlocks(const std::uint32_t* words, std::size_t blocks, const Dialect& dialect,
                  const NormalFill& fill, DType dtype, float* out) {
  const bool fused = dialect.fused();
  if (dtype == DType::kBFloat16)
    return Blocks<BFloat16Numbers, true>(words, blocks, fused, fill, out);
  return dialect.rounds_each_float16_step()
             ? Blocks<Float16Numbers, true>(words, blocks, fused, fill, out)
             : Blocks<Float16Numbers, false>(words, blocks, fused, fill, out);
}

}  // namespace weightinit::torch_cpu
