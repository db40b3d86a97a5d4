// From binary64 parameters to the numbers that kernels use.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "lib/base/special_functions.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::kernels {
namespace {

// A zero parameter is +0, also one that underflows: no kernel ever writes -0.
double PositiveZero(double x) { return x == 0 ? 0.0 : x; }
float Narrow(double x) {
  const auto narrow = static_cast<float>(x);
  return narrow == 0 ? 0.0f : narrow;
}

}  // namespace

UniformParams MakeUniformParams(double low, double high) {
  UniformParams p;
  p.low = PositiveZero(low);
  p.high = PositiveZero(high);
  p.mid = PositiveZero((low + high) / 2);
  p.half = PositiveZero((high - low) / 2);
  p.low_f32 = Narrow(p.low);
  p.high_f32 = Narrow(p.high);
  p.mid_f32 = Narrow(p.mid);
  p.half_f32 = Narrow(p.half);
  return p;
}

NormalParams MakeNormalParams(double mean, double std) {
  return {.mean = PositiveZero(mean),
          .std = PositiveZero(std),
          .mean_f32 = Narrow(mean),
          .std_f32 = Narrow(std)};
}

TruncatedNormalParams MakeTruncatedNormalParams(double mean, double std, double a, double b) {
  TruncatedNormalParams p;
  p.mean = PositiveZero(mean);
  p.std = PositiveZero(std);
  p.a = PositiveZero(a);
  p.b = PositiveZero(b);
  p.low = -std::numeric_limits<double>::infinity();
  p.high = std::numeric_limits<double>::infinity();
  p.mean_f32 = Narrow(mean);
  p.std_f32 = Narrow(std);
  p.a_f32 = Narrow(a);
  p.b_f32 = Narrow(b);
  p.low_f32 = -std::numeric_limits<float>::infinity();
  p.high_f32 = std::numeric_limits<float>::infinity();

  p.probability = Narrow(NormalProbability(a, b));
  p.probability_scaled = p.probability * 0x1p-32f;
  const float below = Narrow(NormalCdf(a));
  const TruncatedNormalParams::Side lower{.base = below, .flip = 0, .sign = 0x80000000};
  const TruncatedNormalParams::Side upper{
      .base = Narrow(NormalCdf(-b)), .flip = 0xFFFFFFFF, .sign = 0};

  // How many words lie below the median: from the binary32 numbers, so that those alone define the
  // weights.
  const double median = 0.5 - static_cast<double>(below);
  const double words = p.probability > 0 ? median / static_cast<double>(p.probability) * 0x1p32
                                         : (median > 0 ? 0x1p32 : 0.0);
  const auto lower_words = static_cast<std::uint64_t>(std::clamp(words, 0.0, 0x1p32));
  p.last_lower = lower_words == 0 ? 0xFFFFFFFF : static_cast<std::uint32_t>(lower_words - 1);
  p.lower = lower_words == 0 ? upper : lower;
  p.upper = upper;
  return p;
}

TruncatedNormalParams MakeTruncatedNormalParams(double mean, double std, double a, double b,
                                                double low, double high) {
  TruncatedNormalParams p = MakeTruncatedNormalParams(mean, std, a, b);
  p.clamp_absolute = true;
  p.low = PositiveZero(low);
  p.high = PositiveZero(high);
  p.low_f32 = Narrow(low);
  p.high_f32 = Narrow(high);
  return p;
}

}  // namespace weightinit::kernels
