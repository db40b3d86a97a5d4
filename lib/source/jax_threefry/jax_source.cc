#include "lib/source/jax_threefry/jax_source.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "lib/source/draw_apart.h"
#include "lib/source/kernels/kernels.h"

namespace weightinit::jax_threefry {
namespace {

// `DrawRun` draws consecutive elements in float32: (array, first, out).
template <typename DrawRun>
class JaxSource final : public Source {
 public:
  JaxSource(const Array& array, DrawRun draw_run) : array_(array), draw_run_(std::move(draw_run)) {}

  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    const auto draw = [&](std::int64_t first, std::int64_t n, std::byte* to) {
      constexpr std::int64_t kRun = 2048;  // 8 KiB, which stay in any first-level cache
      std::array<float, kRun> values;
      for (std::int64_t run; n > 0; first += run, n -= run, to += run * SizeBytes(dtype)) {
        run = std::min(n, kRun);
        draw_run_(array_, static_cast<std::uint64_t>(first),
                  std::span(values).first(static_cast<std::size_t>(run)));
        kernels::BestKernels().convert(values.data(), run, dtype, to);
      }
    };
    if (stride == 1 || count <= 1) {
      draw(index, count, out);
    } else {
      DrawApart(index, stride, count, dtype, out, draw);
    }
  }

 private:
  const Array array_;
  const DrawRun draw_run_;
};

template <typename DrawRun>
std::unique_ptr<const Source> Make(const Array& array, DrawRun draw_run) {
  return std::make_unique<const JaxSource<DrawRun>>(array, std::move(draw_run));
}

void Scale(float by, std::span<float> values) {
  for (float& value : values) value *= by;
}

}  // namespace

Array ArrayOf(const weightinit::Draw& draw) {
  std::uint64_t total = 1;
  for (const std::int64_t dim : draw.shape) total *= static_cast<std::uint64_t>(dim);
  return {{draw.jax_key->first, draw.jax_key->second}, draw.jax_key->layout, total};
}

std::unique_ptr<const Source> MakeSource(const weightinit::Draw& draw) {
  const Array array = ArrayOf(draw);
  if (const auto* uniform = std::get_if<UniformOn>(&draw.distribution)) {
    return Make(array,
                [low = static_cast<float>(uniform->low), high = static_cast<float>(uniform->high)](
                    const Array& from, std::uint64_t first, std::span<float> out) {
                  DrawUniform(from, low, high, first, out);
                });
  }
  if (const auto* normal = std::get_if<NormalWith>(&draw.distribution)) {
    return Make(array, [std = static_cast<float>(normal->std)](
                           const Array& from, std::uint64_t first, std::span<float> out) {
      DrawNormal(from, first, out);
      Scale(std, out);
    });
  }
  const auto& truncated = std::get<TruncatedNormalWith>(draw.distribution);
  return Make(array, [std = static_cast<float>(truncated.std),
                      lower = static_cast<float>(truncated.low_sigma),
                      upper = static_cast<float>(truncated.high_sigma)](
                         const Array& from, std::uint64_t first, std::span<float> out) {
    DrawTruncatedNormal(from, lower, upper, first, out);
    Scale(std, out);
  });
}

}  // namespace weightinit::jax_threefry
