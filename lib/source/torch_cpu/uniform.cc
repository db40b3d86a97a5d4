#include "lib/source/torch_cpu/uniform.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "lib/source/kernels/kernels.h"
#include "lib/source/torch_cpu/exact_fma.h"
#include "lib/source/torch_cpu/numbers.h"

namespace weightinit::torch_cpu {
namespace {

// 16 KiB of values, and of words, leave room in any first-level cache.
constexpr std::size_t kRun = 4096;

// torch draws from [from, to); since 2.12 it also sees to it that rounding does not reach `to`.
template <class Value>
void KeepBelow(Value to, Value from, std::span<Value> values) {
  for (Value& value : values) value = value == to ? from : value;
}

void DrawDoubles(FillWords& words, const Dialect& dialect, const UniformFill& fill,
                 std::int64_t first, std::int64_t count, std::byte* out) {
  const double range = fill.to - fill.from;
  std::array<std::uint32_t, kRun> drawn;
  std::array<double, kRun / 2> values;
  while (count > 0) {
    const std::size_t n = std::min(values.size(), static_cast<std::size_t>(count));
    words.Draw(2 * static_cast<std::uint64_t>(first), std::span(drawn).first(2 * n));
    for (std::size_t i = 0; i < n; ++i) {
      const double high = drawn[2 * i] & 0x1FFFFF, low = drawn[2 * i + 1];
      const double x = (high * 0x1p32 + low) * 0x1p-53;
      values[i] = dialect.fused() ? ExactFma(x, range, fill.from) : x * range + fill.from;
    }
    if (dialect.since_2_12()) KeepBelow(fill.to, fill.from, std::span(values).first(n));
    std::memcpy(out, values.data(), n * sizeof(double));
    first += static_cast<std::int64_t>(n);
    count -= static_cast<std::int64_t>(n);
    out += n * sizeof(double);
  }
}

template <class Numbers>
void DrawNarrow(FillWords& words, const Dialect& dialect, const UniformFill& fill, DType dtype,
                std::int64_t first, std::int64_t count, std::byte* out) {
  // Since 2.12 the 16-bit types are drawn in float32 and rounded at the end.
  const bool wide = dialect.since_2_12();
  const float from = wide ? static_cast<float>(fill.from) : Numbers::Of(fill.from);
  const float to = wide ? static_cast<float>(fill.to) : Numbers::Of(fill.to);
  const Affine affine{.offset = from, .scale = wide ? to - from : Numbers::Round(to - from)};
  const int digits = wide ? Float32Numbers::kDigits : Numbers::kDigits;
  const auto element_bytes = sizeof(typename Numbers::Element);
  alignas(64) std::array<float, kRun> values;
  while (count > 0) {
    const std::size_t n = std::min(values.size(), static_cast<std::size_t>(count));
    const bool in_place = dtype == DType::kFloat32 && !wide &&
                          reinterpret_cast<std::uintptr_t>(out) % alignof(float) == 0;
    float* to_value = in_place ? reinterpret_cast<float*>(out) : values.data();
    words.DrawUntempered(static_cast<std::uint64_t>(first), n,
                         [&](std::span<const std::uint32_t> run) {
                           BestKernels().uniform_of_state(run.data(), run.size(), digits, affine,
                                                          dialect.fused(), to_value);
                           to_value += run.size();
                         });
    if (wide) {
      for (float& value : std::span(values).first(n)) value = Numbers::Round(value);
      KeepBelow(Numbers::Of(fill.to), Numbers::Of(fill.from), std::span(values).first(n));
    }
    if (!in_place)
      kernels::BestKernels().convert(values.data(), static_cast<std::int64_t>(n), dtype, out);
    first += static_cast<std::int64_t>(n);
    count -= static_cast<std::int64_t>(n);
    out += n * element_bytes;
  }
}

}  // namespace

void DrawUniform(FillWords& words, const Dialect& dialect, const UniformFill& fill, DType dtype,
                 std::int64_t first, std::int64_t count, std::byte* out) {
  WithNumbers(dtype, [&]<class Numbers>(Numbers) {
    if constexpr (std::is_same_v<Numbers, Float64Numbers>) {
      DrawDoubles(words, dialect, fill, first, count, out);
    } else {
      DrawNarrow<Numbers>(words, dialect, fill, dtype, first, count, out);
    }
  });
}

}  // namespace weightinit::torch_cpu
