// orthogonal and delta_orthogonal: Q of a Gaussian matrix, made once and kept in the cache.
#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/source/closed_form.h"
#include "lib/source/householder_qr.h"
#include "lib/source/jax_threefry/jax_source.h"
#include "lib/source/kernels/kernels.h"
#include "lib/source/matrix_source.h"
#include "lib/source/philox_source.h"
#include "weightinit/status.h"

namespace weightinit {
namespace {

using Matrix = std::vector<float>;
constexpr std::int64_t kElementsPerTask = std::int64_t{1} << 16;

void DrawGaussian(const Draw& draw, std::int64_t first, std::span<float> out) {
  if (draw.jax_key.has_value()) {
    jax_threefry::DrawNormal(jax_threefry::ArrayOf(draw), static_cast<std::uint64_t>(first), out);
  } else {
    kernels::BestKernels().standard_normal(StreamOf(draw), static_cast<std::uint64_t>(first), out);
  }
}

// From cols × rows to rows × cols.
void Transpose(std::int64_t rows, std::int64_t cols, Matrix& matrix) {
  const Matrix from = matrix;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      matrix[static_cast<std::size_t>(i * cols + j)] = from[static_cast<std::size_t>(j * rows + i)];
    }
  }
}

absl::StatusOr<SingleFlightCache::Made> MakeQ(const Draw& draw, std::int64_t rows,
                                              std::int64_t cols, const SourceTools& tools) {
  const std::int64_t size = rows * cols;
  std::shared_ptr<Matrix> matrix;
  try {  // the size passed the request's limits, but the machine may have less
    matrix = std::make_shared<Matrix>(static_cast<std::size_t>(size));
  } catch (const std::exception&) {  // bad_alloc, or length_error beyond what a vector may hold
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a matrix of ", size, " elements"));
  }
  tools.parallel_for((size - 1) / kElementsPerTask + 1, [&](std::int64_t task) {
    if (tools.cancelled && tools.cancelled()) return;  // OrthogonalFactor asks again
    const std::int64_t first = task * kElementsPerTask;
    const auto count = static_cast<std::size_t>(std::min(kElementsPerTask, size - first));
    DrawGaussian(draw, first, {matrix->data() + first, count});
  });
  // jax draws the tall matrix, of which a wide one is the transpose.
  if (draw.jax_key.has_value() && rows < cols) Transpose(rows, cols, *matrix);
  QrOptions options;
  options.parallel_for = tools.parallel_for;
  options.cancelled = tools.cancelled;
  const absl::Status status = OrthogonalFactor(rows, cols, *matrix, options);
  if (!status.ok()) return status;
  return SingleFlightCache::Made{std::move(matrix),
                                 size * static_cast<std::int64_t>(sizeof(float))};
}

absl::StatusOr<std::shared_ptr<const Matrix>> GetQ(const Draw& draw, std::int64_t rows,
                                                   std::int64_t cols, const SourceTools& tools) {
  // Gain and dtype come later: one Q serves them all.
  const std::string words =
      draw.jax_key.has_value()
          ? absl::StrCat("jax ", draw.jax_key->first, " ", draw.jax_key->second, " ",
                         static_cast<int>(draw.jax_key->layout))
          : absl::StrCat(draw.seed, " ", draw.subsequence);
  const std::string key = absl::StrCat("orthogonal ", words, " ", rows, " ", cols);
  return tools.cache->Get<Matrix>(
      key, [&] { return MakeQ(draw, rows, cols, tools); }, tools.cancelled);
}

// x = gain·q: in binary64 for FLOAT64, in binary32 and then to the dtype otherwise.
void ScaleTo(std::span<const float> q, double gain, DType dtype, std::byte* out) {
  if (dtype == DType::kFloat64) {
    for (std::size_t i = 0; i < q.size(); ++i) {
      const double x = gain * static_cast<double>(q[i]);
      std::memcpy(out + i * sizeof x, &x, sizeof x);
    }
    return;
  }
  const auto gain_f32 = static_cast<float>(gain);
  std::array<float, 256> scaled;
  const auto element_bytes = static_cast<std::size_t>(SizeBytes(dtype));
  for (std::size_t done = 0; done < q.size();) {
    const std::size_t n = std::min(scaled.size(), q.size() - done);
    for (std::size_t i = 0; i < n; ++i) scaled[i] = gain_f32 * q[done + i];
    kernels::BestKernels().convert(scaled.data(), static_cast<std::int64_t>(n), dtype,
                                   out + done * element_bytes);
    done += n;
  }
}

class OrthogonalSource final : public Source {
 public:
  OrthogonalSource(std::shared_ptr<const Matrix> q, double gain) : q_(std::move(q)), gain_(gain) {}
  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    if (stride == 1 || count <= 1) {
      ScaleTo(
          std::span(*q_).subspan(static_cast<std::size_t>(index), static_cast<std::size_t>(count)),
          gain_, dtype, out);
      return;
    }
    const auto element_bytes = SizeBytes(dtype);
    for (std::int64_t k = 0; k < count; ++k) {
      ScaleTo(std::span(*q_).subspan(static_cast<std::size_t>(index + k * stride), 1), gain_, dtype,
              out + k * element_bytes);
    }
  }

 private:
  std::shared_ptr<const Matrix> q_;
  double gain_;
};

// 0 but for the centre tap, where Q (out × in) is.
class DeltaOrthogonalSource final : public Source {
 public:
  DeltaOrthogonalSource(std::shared_ptr<const Matrix> q, double gain, std::int64_t kernel_size,
                        std::int64_t centre)
      : q_(std::move(q)),
        gain_(gain),
        taps_{static_cast<std::int64_t>(q_->size()), kernel_size,
              [centre](std::int64_t) { return centre; }} {}
  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    const auto element_bytes = SizeBytes(dtype);
    std::memset(out, 0, static_cast<std::size_t>(count * element_bytes));
    // A "row" is one (out, in) pair's kernel.
    ForEachMarked(taps_, index, stride, count, [&](std::int64_t k, std::int64_t pair) {
      ScaleTo(std::span(*q_).subspan(static_cast<std::size_t>(pair), 1), gain_, dtype,
              out + k * element_bytes);
    });
  }

 private:
  std::shared_ptr<const Matrix> q_;
  double gain_;
  SparseRows taps_;
};

}  // namespace

std::int64_t OrthogonalBytes(std::int64_t rows, std::int64_t cols) {
  const std::int64_t working = OrthogonalFactorBytes(rows, cols);
  std::int64_t matrix = 0, total = 0;
  const bool overflows = __builtin_mul_overflow(rows, cols, &matrix) ||
                         __builtin_mul_overflow(matrix, std::int64_t{sizeof(float)}, &matrix) ||
                         __builtin_add_overflow(matrix, working, &total);
  return overflows ? std::numeric_limits<std::int64_t>::max() : total;
}

absl::StatusOr<std::unique_ptr<const Source>> MakeOrthogonal(const Draw& draw,
                                                             const OrthogonalMatrix& orthogonal,
                                                             const SourceTools& tools) {
  auto q = GetQ(draw, orthogonal.rows, orthogonal.cols, tools);
  if (!q.ok()) return q.status();
  return std::make_unique<const OrthogonalSource>(*std::move(q), orthogonal.gain);
}

absl::StatusOr<std::unique_ptr<const Source>> MakeDeltaOrthogonal(
    const Draw& draw, const DeltaOrthogonalKernel& kernel, const SourceTools& tools) {
  auto q = GetQ(draw, kernel.out, kernel.in, tools);
  if (!q.ok()) return q.status();
  std::int64_t kernel_size = 1, centre = 0;
  for (const std::int64_t k : std::span(draw.shape).subspan(2)) {
    centre = centre * k + (k - 1) / 2;  // JAX's centre, unlike dirac's for even k
    kernel_size *= k;
  }
  return std::make_unique<const DeltaOrthogonalSource>(*std::move(q), kernel.gain, kernel_size,
                                                       centre);
}

}  // namespace weightinit
