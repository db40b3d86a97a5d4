#include "lib/source/closed_form.h"
#include "lib/source/jax_threefry/jax_source.h"
#include "lib/source/matrix_source.h"
#include "lib/source/philox_source.h"
#include "lib/source/source.h"
#include "lib/source/torch_cpu/torch_source.h"

namespace weightinit {
namespace {

using Made = absl::StatusOr<std::unique_ptr<const Source>>;

struct Maker {
  const Draw& draw;
  const SourceTools& tools;

  Made operator()(const FilledWith& d) const { return MakeFilled(d); }
  Made operator()(const DiagonalOf& d) const { return MakeDiagonal(d, draw.shape); }
  Made operator()(const DiracDelta& d) const { return MakeDirac(d, draw.shape); }
  Made operator()(const UniformOn& d) const { return MakeUniform(draw, d); }
  Made operator()(const NormalWith& d) const { return MakeNormal(draw, d); }
  Made operator()(const TruncatedNormalWith& d) const { return MakeTruncatedNormal(draw, d); }
  Made operator()(const SparseNormal& d) const { return MakeSparse(draw, d, tools); }
  Made operator()(const OrthogonalMatrix& d) const { return MakeOrthogonal(draw, d, tools); }
  Made operator()(const DeltaOrthogonalKernel& d) const {
    return MakeDeltaOrthogonal(draw, d, tools);
  }
};

struct MatrixSizer {
  std::int64_t operator()(const SparseNormal& d) const { return SparseBytes(d); }
  std::int64_t operator()(const OrthogonalMatrix& d) const {
    return OrthogonalBytes(d.rows, d.cols);
  }
  std::int64_t operator()(const DeltaOrthogonalKernel& d) const {
    return OrthogonalBytes(d.out, d.in);
  }
  template <typename Other>
  std::int64_t operator()(const Other&) const {
    return 0;
  }
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Source>> MakeSource(const Draw& draw,
                                                         const SourceTools& tools) {
  if (draw.sequence != nullptr) return torch_cpu::MakeStepSource(draw.sequence, draw.step, tools);
  if (draw.jax_key.has_value() && !IsMadeWhole(draw)) return jax_threefry::MakeSource(draw);
  return std::visit(Maker{draw, tools}, draw.distribution);
}

std::int64_t MatrixBytes(const Draw& draw) {
  if (draw.sequence != nullptr) return torch_cpu::StepBytes(*draw.sequence, draw.step);
  return std::visit(MatrixSizer{}, draw.distribution);
}

}  // namespace weightinit
