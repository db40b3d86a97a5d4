#include "lib/source/philox_source.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace weightinit {
namespace {

// Kernels draw consecutive elements. Of elements that lie apart, near ones are picked out of a
// drawn stretch, far ones are drawn one by one. A kernel draws a whole vector anyway, so up to this
// distance a stretch is cheaper.
constexpr std::int64_t kNearStride = 32;
constexpr std::int64_t kStretchElements = 2048;
constexpr std::size_t kMaxElementBytes = 8;

template <typename DrawConsecutive>
void DrawApart(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
               std::byte* out, const DrawConsecutive& draw) {
  const auto size = static_cast<std::size_t>(SizeBytes(dtype));
  alignas(64) std::array<std::byte, kStretchElements * kMaxElementBytes> stretch;
  const std::int64_t per_stretch = stride > kNearStride ? 1 : (kStretchElements - 1) / stride + 1;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t n = std::min(per_stretch, count - done);
    draw(index + done * stride, (n - 1) * stride + 1, stretch.data());
    for (std::int64_t k = 0; k < n; ++k) {
      std::memcpy(out + static_cast<std::size_t>(done + k) * size,
                  stretch.data() + static_cast<std::size_t>(k * stride) * size, size);
    }
    done += n;
  }
}

// `Kernel` is a member of kernels::Kernels, `Params` its numbers.
template <typename Params>
class PhiloxSource final : public Source {
 public:
  using Kernel = void (*)(kernels::Stream, const Params&, std::uint64_t, std::int64_t, DType,
                          std::byte*);

  PhiloxSource(Kernel kernel, kernels::Stream stream, const Params& params)
      : kernel_(kernel), stream_(stream), params_(params) {}

  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    const auto draw = [&](std::int64_t first, std::int64_t n, std::byte* to) {
      kernel_(stream_, params_, static_cast<std::uint64_t>(first), n, dtype, to);
    };
    if (stride == 1 || count <= 1) {
      draw(index, count, out);
    } else {
      DrawApart(index, stride, count, dtype, out, draw);
    }
  }

 private:
  Kernel kernel_;
  kernels::Stream stream_;
  Params params_;
};

}  // namespace

std::unique_ptr<const Source> MakeUniform(const Draw& draw, const UniformOn& uniform) {
  return std::make_unique<PhiloxSource<kernels::UniformParams>>(
      kernels::BestKernels().uniform, StreamOf(draw),
      kernels::MakeUniformParams(uniform.low, uniform.high));
}

std::unique_ptr<const Source> MakeNormal(const Draw& draw, const NormalWith& normal) {
  return std::make_unique<PhiloxSource<kernels::NormalParams>>(
      kernels::BestKernels().normal, StreamOf(draw),
      kernels::MakeNormalParams(normal.mean, normal.std));
}

std::unique_ptr<const Source> MakeTruncatedNormal(const Draw& draw, const TruncatedNormalWith& t) {
  const kernels::TruncatedNormalParams params =
      t.clamp.has_value()
          ? kernels::MakeTruncatedNormalParams(t.mean, t.std, t.low_sigma, t.high_sigma,
                                               t.clamp->first, t.clamp->second)
          : kernels::MakeTruncatedNormalParams(t.mean, t.std, t.low_sigma, t.high_sigma);
  return std::make_unique<PhiloxSource<kernels::TruncatedNormalParams>>(
      kernels::BestKernels().truncated_normal, StreamOf(draw), params);
}

}  // namespace weightinit
