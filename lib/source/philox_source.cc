#include "lib/source/philox_source.h"

#include "lib/source/draw_apart.h"

namespace weightinit {
namespace {

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
