#include "lib/source/torch_cpu/trunc_normal.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "lib/source/torch_cpu/exact_fma.h"
#include "lib/source/torch_cpu/fill.h"
#include "lib/source/torch_cpu/numbers.h"
#include "lib/source/torch_cpu/uniform.h"

namespace weightinit::torch_cpu {
namespace {

template <class Value, std::size_t n>
Value Horner(const Value (&highest_last)[n], Value z, bool fused) {
  Value sum = highest_last[n - 1];
  for (std::size_t k = n - 1; k-- > 0;)
    sum = fused ? ExactFma(sum, z, highest_last[k]) : sum * z + highest_last[k];
  return sum;
}

// calc_erfinv of aten/src/ATen/native/Math.h: Giles' two ranges and two steps of Newton.
template <class Value>
Value ErfInv(Value y, bool fused) {
  constexpr Value a[] = {static_cast<Value>(0.886226899), static_cast<Value>(-1.645349621),
                         static_cast<Value>(0.914624893), static_cast<Value>(-0.140543331)};
  constexpr Value b[] = {static_cast<Value>(1), static_cast<Value>(-2.118377725),
                         static_cast<Value>(1.442710462), static_cast<Value>(-0.329097515),
                         static_cast<Value>(0.012229801)};
  constexpr Value c[] = {static_cast<Value>(-1.970840454), static_cast<Value>(-1.624906493),
                         static_cast<Value>(3.429567803), static_cast<Value>(1.641345311)};
  constexpr Value d[] = {static_cast<Value>(1), static_cast<Value>(3.543889200),
                         static_cast<Value>(1.637067800)};
  const Value magnitude = std::abs(y);
  if (magnitude == 1) return std::copysign(std::numeric_limits<Value>::infinity(), y);
  Value x;
  if (magnitude <= static_cast<Value>(0.7)) {
    const Value z = y * y;
    x = y * Horner(a, z, fused) / Horner(b, z, fused);
  } else {
    const Value z = std::sqrt(-std::log((1 - magnitude) / 2));
    x = std::copysign(Horner(c, z, fused), y) / Horner(d, z, fused);
  }
  const Value slope = static_cast<Value>(2) / std::sqrt(std::numbers::pi_v<Value>);
  for (int step = 0; step < 2; ++step) x = x - (std::erf(x) - y) / (slope * std::exp(-x * x));
  return x;
}

}  // namespace

void DrawTruncNormalByInverse(FillWords& words, const Dialect& dialect, const TruncNormalFill& fill,
                              DType dtype, std::int64_t first, std::int64_t count, std::byte* out) {
  const UniformFill uniform{.from = 2 * NormCdf((fill.a - fill.mean) / fill.std) - 1,
                            .to = 2 * NormCdf((fill.b - fill.mean) / fill.std) - 1};
  const double factor = fill.std * std::sqrt(2.0);
  DrawUniform(words, dialect, uniform, dtype, first, count, out);
  WithNumbers(dtype, [&]<class Numbers>(Numbers) {
    const auto scale = Numbers::Of(factor), mean = Numbers::Of(fill.mean);
    const auto low = Numbers::Of(fill.a), high = Numbers::Of(fill.b);
    for (std::int64_t i = 0; i < count; ++i) {
      typename Numbers::Element element;
      std::memcpy(&element, out, sizeof element);
      auto x = Numbers::Round(ErfInv(Numbers::Decode(element), dialect.fused()));
      x = Numbers::Round(x * scale);
      x = Numbers::Round(x + mean);
      element = Numbers::Encode(std::min(std::max(x, low), high));
      std::memcpy(out, &element, sizeof element);
      out += sizeof element;
    }
  });
}

bool DrawTruncNormalByRejection(Generator& generator, const Dialect& dialect,
                                const TruncNormalFill& fill, DType dtype, std::int64_t n,
                                std::byte* out, const std::function<bool()>& cancelled) {
  const NormalFill normal{.mean = fill.mean, .std = fill.std};
  const auto bytes = static_cast<std::size_t>(n * SizeBytes(dtype));
  FillNormal(generator, dialect, normal, dtype, n, out);
  std::vector<std::byte> again;
  return WithNumbers(dtype, [&]<class Numbers>(Numbers) {
    using Element = typename Numbers::Element;
    const auto low = Numbers::Of(fill.a), high = Numbers::Of(fill.b);
    std::vector<std::int64_t> outside;
    const auto is_outside = [&](std::int64_t i) {
      Element element;
      std::memcpy(&element, out + i * std::int64_t{sizeof element}, sizeof element);
      const auto x = Numbers::Decode(element);
      return x < low || x > high;
    };
    for (std::int64_t i = 0; i < n; ++i) {
      if (is_outside(i)) outside.push_back(i);
    }
    while (!outside.empty()) {
      if (cancelled && cancelled()) return false;
      again.resize(bytes);
      FillNormal(generator, dialect, normal, dtype, n, again.data());
      for (const std::int64_t i : outside) {
        const auto at = static_cast<std::size_t>(i) * sizeof(Element);
        std::memcpy(out + at, again.data() + at, sizeof(Element));
      }
      std::erase_if(outside, [&](std::int64_t i) { return !is_outside(i); });
    }
    return true;
  });
}

}  // namespace weightinit::torch_cpu
