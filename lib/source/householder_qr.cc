#include "lib/source/householder_qr.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "lib/source/fixed_order_gemm.h"

namespace weightinit {
namespace {

constexpr std::int64_t kW = kStripColumns;
// Reflections that are applied together. Fixed for ever: it decides which sums are formed. At 64
// the updates read and write an element once per 256 operations, while T costs 64 / (2 rows) of
// them.
constexpr std::int64_t kPanelColumns = 64;
constexpr std::int64_t kPanelStrips = kPanelColumns / kW;
constexpr std::int64_t kTSize = kPanelColumns * kPanelColumns;
constexpr std::int64_t kTStride = kPanelColumns * kW;  // elements of a strip of T
// Strips that a task updates together, so that V is read once for all of them. Does not change what
// is computed.
constexpr std::int64_t kGroupStrips = 4;
// Below this sum of squares a column counts as zero: above it, squares lost to underflow do not
// matter. The square of the least binary32 number is 2^-298, so only rounding errors of rounding
// errors come here.
constexpr double kZeroSumOfSquares = 0x1p-900;
// Strips start this many rows further apart than needed, lest those of a power-of-two matrix share
// cache sets.
constexpr std::int64_t kPaddingRows = 4;
constexpr std::size_t kAlignment = 128;  // a pair of cache lines, which prefetch together

std::int64_t CeilDiv(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// The sizes of the tall problem: A = G or G^T, m × n with m >= n, as strips.
struct Sizes {
  std::int64_t m;
  std::int64_t n;
  bool transposed;
  std::int64_t strips;
  std::int64_t panels;
  std::int64_t stride;  // elements from one strip to the next

  std::int64_t PanelStrips(std::int64_t panel) const {
    return std::min(kPanelStrips, strips - panel * kPanelStrips);
  }
};

Sizes MakeSizes(std::int64_t rows, std::int64_t cols) {
  Sizes sizes;
  sizes.m = std::max(rows, cols);
  sizes.n = std::min(rows, cols);
  sizes.transposed = rows < cols;
  sizes.strips = CeilDiv(sizes.n, kW);
  sizes.panels = CeilDiv(sizes.n, kPanelColumns);
  sizes.stride = (sizes.m + kPaddingRows) * kW;
  return sizes;
}

// Where the parts of the one allocation begin, in bytes; each a multiple of kAlignment.
struct Offsets {
  std::int64_t reflectors;  // V of one panel, in the type of Q
  std::int64_t factors;     // T of every panel, in the type of Q
  std::int64_t signs;       // of R_jj: one byte per column, 1 where negative
  std::int64_t total;
};

std::int64_t RoundUp(std::int64_t bytes) {
  constexpr auto kUnit = static_cast<std::int64_t>(kAlignment);
  return CeilDiv(bytes, kUnit) * kUnit;
}

// element_bytes: of Q.
Offsets MakeOffsets(const Sizes& sizes, std::size_t element_bytes) {
  const auto kDouble = static_cast<std::int64_t>(sizeof(double));
  const auto element = static_cast<std::int64_t>(element_bytes);
  Offsets offsets;
  offsets.reflectors = RoundUp(sizes.strips * sizes.stride * kDouble);
  offsets.factors =
      offsets.reflectors + RoundUp(std::min(kPanelStrips, sizes.strips) * sizes.stride * element);
  offsets.signs = offsets.factors + RoundUp(sizes.panels * kTSize * element);
  offsets.total = offsets.signs + RoundUp(sizes.strips * kW);
  return offsets;
}

template <class T>
const ProductKernels<T>& Products(const QrKernels& kernels);
template <>
const ProductKernels<float>& Products(const QrKernels& kernels) {
  return kernels.f32;
}
template <>
const ProductKernels<double>& Products(const QrKernels& kernels) {
  return kernels.f64;
}

// A block of reflections I - V T V^T, or its transpose.
template <class T>
struct Block {
  const ProductKernels<T>& kernels;
  std::int64_t rows;
  Strips<const T> v;
  // Strips of T to apply the transpose, of T^T to apply the block: strip q of either holds what
  // multiplies w into rows 16 q … 16 q + 15.
  const T* t;

  // Replaces at most kGroupStrips strips c by (I - V T^T V^T) c.
  void ApplyTransposedTo(Strips<T> c) const {
    alignas(kAlignment) T w[kGroupStrips * kPanelColumns * kW];
    alignas(kAlignment) T tw[kGroupStrips * kPanelColumns * kW];
    kernels.inner(rows, v, {c.count, c.data, c.stride}, w);
    for (std::int64_t q = 0; q < v.count;
         ++q) {  // T^T is lower triangular: row q ends at its diagonal
      MultiplyByT(q, 0, q + 1, c.count, w, tw);
    }
    kernels.subtract(rows, v, tw, c);
  }

  // Replaces at most kGroupStrips strips c by (I - V T V^T) c.
  void ApplyTo(Strips<T> c) const {
    alignas(kAlignment) T w[kGroupStrips * kPanelColumns * kW];
    kernels.inner(rows, v, {c.count, c.data, c.stride}, w);
    SubtractVT(w, c);
  }

  // ApplyTo for the strip of the identity matrix that starts at column `first`: V^T c consists of
  // rows of V.
  void ApplyToIdentity(std::int64_t first, T* c) const {
    alignas(kAlignment) T w[kPanelColumns * kW];
    for (std::int64_t i = 0; i < v.count * kW; ++i) {
      for (std::int64_t j = 0; j < kW; ++j) {
        const std::int64_t row = first + j;
        w[i * kW + j] = row < rows ? v.data[(i / kW) * v.stride + row * kW + i % kW] : T{0};
      }
    }
    SubtractVT(w, {1, c, 0});
  }

 private:
  void SubtractVT(const T* w, Strips<T> c) const {
    alignas(kAlignment) T tw[kGroupStrips * kPanelColumns * kW];
    for (std::int64_t q = 0; q < v.count;
         ++q) {  // T is upper triangular: row q begins at its diagonal
      MultiplyByT(q, q, v.count, c.count, w, tw);
    }
    kernels.subtract(rows, v, tw, c);
  }

  // Rows 16 q … of the product of T or T^T and w, whose columns begin … end - 1 (in strips) are not
  // zero there.
  void MultiplyByT(std::int64_t q, std::int64_t begin, std::int64_t end, std::int64_t count,
                   const T* w, T* tw) const {
    for (std::int64_t s = 0; s < count; ++s) {
      const std::int64_t strip = s * v.count * kW * kW;
      kernels.inner((end - begin) * kW, {1, t + q * kTStride + begin * kW * kW, 0},
                    {1, w + strip + begin * kW * kW, 0}, tw + strip + q * kW * kW);
    }
  }
};

// One panel: 64 columns (fewer in the last) from its diagonal down, turned in place into V, clean:
// 0 above the diagonal, 1 on it. T is built beside it.
class Panel {
 public:
  Panel(const QrKernels& kernels, std::int64_t rows, std::int64_t columns, std::int64_t stride,
        double* a)
      : kernels_(kernels), rows_(rows), columns_(columns), stride_(stride), a_(a) {}

  // negative[j] = 1 where R_jj < 0.
  void Factor(unsigned char* negative) {
    for (std::int64_t q = 0; q * kW < columns_; ++q) {
      if (q > 0) Reflections(q).ApplyTransposedTo({1, Strip(q), 0});
      FactorStrip(q, negative + q * kW);
      ExtendT(q);
    }
  }

  Block<double> Reflections(std::int64_t strips) const {
    return {kernels_.f64, rows_, {strips, a_, stride_}, t_strips_};
  }

  // T^T, rounded to the type that Q is formed in, as strips.
  template <class T>
  void StoreT(T* to) const {
    for (std::int64_t k = 0; k < kPanelColumns; ++k) {
      for (std::int64_t i = 0; i < kPanelColumns; ++i) {
        to[(i / kW) * kTStride + k * kW + i % kW] =
            static_cast<T>(transposed_t_[k * kPanelColumns + i]);
      }
    }
  }

 private:
  double* Strip(std::int64_t q) const { return a_ + q * stride_; }

  void FactorStrip(std::int64_t q, unsigned char* negative) {
    double* const a = Strip(q);
    const std::int64_t count = std::min(kW, columns_ - q * kW);
    for (std::int64_t c = 0; c < count; ++c) FactorColumn(a, q * kW + c, c, &negative[c]);
    // R is not needed any more: what stands above the diagonal becomes part of V.
    std::fill_n(a, q * kW * kW, 0.0);
    for (std::int64_t c = 0; c < count; ++c) {
      for (std::int64_t r = q * kW; r < q * kW + c; ++r) a[r * kW + c] = 0.0;
      a[(q * kW + c) * kW + c] = 1.0;
    }
  }

  // Column c of the strip `a`, whose diagonal stands in row j.
  void FactorColumn(double* a, std::int64_t j, std::int64_t c, unsigned char* negative) {
    double products[kW];
    kernels_.column_products(j + 1, rows_, c, a, products);
    double* const diagonal = a + j * kW;
    const double alpha = diagonal[c];
    const double sum = products[c];
    if (sum < kZeroSumOfSquares) {  // no reflection
      tau_[j] = 0.0;
      *negative = alpha < 0.0;
      for (std::int64_t r = j + 1; r < rows_; ++r) a[r * kW + c] = 0.0;
      return;
    }
    const double norm = std::sqrt(alpha * alpha + sum);
    const double beta = alpha < 0.0 ? norm : -norm;
    const double scale = 1.0 / (alpha - beta);
    tau_[j] = (beta - alpha) / beta;
    *negative = beta < 0.0;
    double t[kW] = {};
    for (std::int64_t k = c + 1; k < kW; ++k) {
      t[k] = tau_[j] * (diagonal[k] + scale * products[k]);
      diagonal[k] -= t[k];
    }
    kernels_.column_update(j + 1, rows_, c, scale, t, a);
  }

  // Adds the columns of strip q to T: T_jj = tau_j, T_ij = -tau_j (sum over i <= k < j of T_ik (V^T
  // V)_kj).
  void ExtendT(std::int64_t q) {
    alignas(kAlignment) double products[kPanelColumns * kW];
    kernels_.f64.inner(rows_, {q + 1, a_, stride_}, {1, Strip(q), 0}, products);
    for (std::int64_t c = 0; c < kW; ++c) {
      const std::int64_t j = q * kW + c;
      double sums[kPanelColumns] = {};
      for (std::int64_t k = 0; k < j; ++k) {
        const double factor = products[k * kW + c];
        // Rows below the diagonal of T add zeros.
        for (std::int64_t i = 0; i < j; ++i)
          sums[i] += transposed_t_[k * kPanelColumns + i] * factor;
      }
      for (std::int64_t i = 0; i < j; ++i) SetT(i, j, -tau_[j] * sums[i]);
      SetT(j, j, tau_[j]);
    }
  }

  void SetT(std::int64_t i, std::int64_t j, double value) {
    transposed_t_[j * kPanelColumns + i] = value;
    t_strips_[(j / kW) * kTStride + i * kW + j % kW] = value;
  }

  const QrKernels& kernels_;
  const std::int64_t rows_;
  const std::int64_t columns_;
  const std::int64_t stride_;
  double* const a_;
  double tau_[kPanelColumns] = {};
  alignas(kAlignment) double t_strips_[kTSize] = {};      // strips of T, as the kernels read T^T
  alignas(kAlignment) double transposed_t_[kTSize] = {};  // (j, i) holds T_ij
};

// T is the type of Q. `g` and `q` may be the same array.
template <class T>
class Factorization {
 public:
  Factorization(const Sizes& sizes, std::byte* memory, const float* g, T* q,
                const QrOptions& options)
      : sizes_(sizes),
        offsets_(MakeOffsets(sizes, sizeof(T))),
        memory_(memory),
        g_(g),
        q_(q),
        options_(options),
        kernels_(options.kernels != nullptr ? *options.kernels : BestQrKernels()) {}

  absl::Status Run() {
    ForEach(sizes_.strips, [this](std::int64_t s) {
      if (!Stopped()) LoadStrip(s);
    });
    for (std::int64_t p = 0; p < sizes_.panels; ++p) {
      if (Stopped()) return CancelledStatus();
      ReducePanel(p);
    }
    for (std::int64_t p = sizes_.panels - 1; p >= 0; --p) {
      if (Stopped()) return CancelledStatus();
      FormPanel(p);
    }
    if (Stopped()) return CancelledStatus();
    ForEach(sizes_.strips, [this](std::int64_t s) { StoreStrip(s); });
    return absl::OkStatus();
  }

 private:
  double* Strip64(std::int64_t s) const {
    return reinterpret_cast<double*>(memory_) + s * sizes_.stride;
  }
  // Strip s of Q takes the memory (for binary32, its first half) of strip s of V, once that is no
  // longer needed.
  T* StripOfQ(std::int64_t s) const { return reinterpret_cast<T*>(Strip64(s)); }
  std::int64_t StrideOfQ() const {
    constexpr int kPerDouble = std::is_same_v<T, double> ? 1 : 2;
    return sizes_.stride * kPerDouble;
  }
  T* Reflectors() const { return reinterpret_cast<T*>(memory_ + offsets_.reflectors); }
  T* Factors(std::int64_t panel) const {
    return reinterpret_cast<T*>(memory_ + offsets_.factors) + panel * kTSize;
  }
  unsigned char* Signs() const {
    return reinterpret_cast<unsigned char*>(memory_ + offsets_.signs);
  }

  // Whether the caller has cancelled. From then on what is computed is of no meaning, and tasks do
  // nothing; only StoreStrip, which touches the caller's matrix, must know better.
  bool Stopped() const {
    if (!stopped_.load(std::memory_order_relaxed) && options_.cancelled && options_.cancelled()) {
      stopped_.store(true, std::memory_order_relaxed);
    }
    return stopped_.load(std::memory_order_relaxed);
  }
  static absl::Status CancelledStatus() {
    return absl::CancelledError("orthogonal factorization: cancelled by the caller");
  }

  template <class Task>
  void ForEach(std::int64_t count, const Task& task) const {
    if (options_.parallel_for) {
      options_.parallel_for(count,
                            std::cref(task));  // a reference: std::function then allocates nothing
    } else {
      for (std::int64_t i = 0; i < count; ++i) task(i);
    }
  }

  // Calls task(strip, count) for groups of strips from `first` to the last.
  template <class Task>
  void ForEachGroup(std::int64_t first, const Task& task) const {
    ForEach(CeilDiv(sizes_.strips - first, kGroupStrips), [&](std::int64_t i) {
      if (Stopped()) return;
      const std::int64_t strip = first + i * kGroupStrips;
      task(strip, std::min(kGroupStrips, sizes_.strips - strip));
    });
  }

  // Element (r, c) of strip s of the tall matrix is element r * row + c * column of the caller's,
  // from `first`.
  struct Steps {
    std::int64_t first, row, column;
    std::int64_t width;  // columns that there are
  };
  Steps StepsOf(std::int64_t s) const {
    const std::int64_t width = std::min(kW, sizes_.n - s * kW);
    if (sizes_.transposed) return {s * kW * sizes_.m, 1, sizes_.m, width};
    return {s * kW, sizes_.n, 1, width};
  }

  void LoadStrip(std::int64_t s) const {
    const Steps steps = StepsOf(s);
    const float* const from = g_ + steps.first;
    double* const to = Strip64(s);
    std::fill_n(to, sizes_.m * kW, 0.0);
    for (std::int64_t r = 0; r < sizes_.m; ++r) {
      for (std::int64_t c = 0; c < steps.width; ++c) {
        // + 0 turns -0 into +0: no operation after it can bring -0 back into what sums start from.
        to[r * kW + c] = static_cast<double>(from[r * steps.row + c * steps.column]) + 0.0;
      }
    }
  }

  void StoreStrip(std::int64_t s) const {
    const Steps steps = StepsOf(s);
    const T* const from = StripOfQ(s);
    T* const to = q_ + steps.first;
    const unsigned char* const negative = Signs() + s * kW;
    for (std::int64_t r = 0; r < sizes_.m; ++r) {
      for (std::int64_t c = 0; c < steps.width; ++c) {
        const T x = from[r * kW + c];
        to[r * steps.row + c * steps.column] = negative[c] != 0 ? T{0} - x : x;
      }
    }
  }

  void ReducePanel(std::int64_t p) const {
    const std::int64_t row = p * kPanelColumns;
    const std::int64_t first = p * kPanelStrips;
    Panel panel(kernels_, sizes_.m - row, std::min(kPanelColumns, sizes_.n - row), sizes_.stride,
                Strip64(first) + row * kW);
    panel.Factor(Signs() + row);
    panel.StoreT(Factors(p));
    const std::int64_t count = sizes_.PanelStrips(p);
    const Block<double> block = panel.Reflections(count);
    ForEachGroup(first + count, [&](std::int64_t strip, std::int64_t strips) {
      block.ApplyTransposedTo({strips, Strip64(strip) + row * kW, sizes_.stride});
    });
  }

  void FormPanel(std::int64_t p) const {
    const std::int64_t row = p * kPanelColumns;
    const std::int64_t first = p * kPanelStrips;
    const std::int64_t count = sizes_.PanelStrips(p);
    ForEach(count, [&](std::int64_t i) { RoundReflectors(first + i, row, i); });
    const Block<T> block = {
        Products<T>(kernels_), sizes_.m - row, {count, Reflectors(), sizes_.stride}, Factors(p)};
    ForEach(count, [&](std::int64_t i) {
      SetIdentity(row, i * kW, StripOfQ(first + i));
      block.ApplyToIdentity(i * kW, StripOfQ(first + i) + row * kW);
    });
    ForEachGroup(first + count, [&](std::int64_t strip, std::int64_t strips) {
      block.ApplyTo({strips, StripOfQ(strip) + row * kW, StrideOfQ()});
    });
  }

  // V of a panel, out of the way of Q, and rounded to its type.
  void RoundReflectors(std::int64_t strip, std::int64_t row, std::int64_t i) const {
    const double* const from = Strip64(strip) + row * kW;
    T* const to = Reflectors() + i * sizes_.stride;
    const std::int64_t size = (sizes_.m - row) * kW;
    for (std::int64_t k = 0; k < size; ++k) to[k] = static_cast<T>(from[k]);
  }

  void SetIdentity(std::int64_t row, std::int64_t first, T* strip) const {
    std::fill_n(strip, sizes_.m * kW, T{0});
    for (std::int64_t c = 0; c < kW && row + first + c < sizes_.m; ++c) {
      strip[(row + first + c) * kW + c] = T{1};
    }
  }

  const Sizes sizes_;
  const Offsets offsets_;
  std::byte* const memory_;
  const float* const g_;
  T* const q_;
  const QrOptions& options_;
  const QrKernels& kernels_;
  mutable std::atomic<bool> stopped_{false};
};

struct AlignedDelete {
  void operator()(std::byte* memory) const {
    ::operator delete (memory, std::align_val_t{kAlignment});
  }
};

#if defined(__linux__)
constexpr std::int64_t kHugePage = std::int64_t{1} << 21;

void AdviseHugePages(void* memory, std::int64_t bytes) {
  // madvise takes whole pages alone; those at the ends are shared with other allocations.
  constexpr std::size_t kPage = 4096;
  auto space = static_cast<std::size_t>(bytes);
  if (std::align(kPage, kPage, memory, space) != nullptr)
    static_cast<void>(madvise(memory, space / kPage * kPage, MADV_HUGEPAGE));
}
#endif

std::unique_ptr<std::byte, AlignedDelete> Allocate(std::int64_t bytes) {
  void* const memory =
      ::operator new (static_cast<std::size_t>(bytes), std::align_val_t{kAlignment}, std::nothrow);
#if defined(__linux__)
  // A hint alone: faults and misses of 4 KiB pages take 5 % of the time of a 1024 × 1024 matrix.
  if (memory != nullptr && bytes >= kHugePage) AdviseHugePages(memory, bytes);
#endif
  return std::unique_ptr<std::byte, AlignedDelete>(static_cast<std::byte*>(memory));
}

absl::Status CheckSize(std::int64_t rows, std::int64_t cols, std::size_t size) {
  if (rows < 1 || cols < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("orthogonal factorization: shape ", rows, " x ", cols, " is not positive"));
  }
  const auto elements = static_cast<std::int64_t>(size);
  if (elements / rows != cols || elements % rows != 0) {
    return absl::InvalidArgumentError(absl::StrCat("orthogonal factorization: ", size,
                                                   " elements given for ", rows, " x ", cols));
  }
  return absl::OkStatus();
}

std::int64_t WorkingBytes(std::int64_t rows, std::int64_t cols, std::size_t element_bytes) {
  // Far above any memory, and far enough below the limit that nothing overflows on the way: an
  // element of a strip needs 16 bytes at most, and a row or column 1 KiB.
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::int64_t m = std::max(rows, cols);
  const std::int64_t n = std::min(rows, cols);
  if (m > (kMax >> 12) || (n / kW + 2) > (kMax >> 12) / m) return kMax;
  return MakeOffsets(MakeSizes(rows, cols), element_bytes).total;
}

template <class T>
absl::Status Factor(std::int64_t rows, std::int64_t cols, const float* g, T* q,
                    const QrOptions& options) {
  const std::int64_t bytes = WorkingBytes(rows, cols, sizeof(T));
  const auto memory = Allocate(bytes);
  if (memory == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("orthogonal factorization: no memory for ", bytes, " bytes of working space"));
  }
  return Factorization<T>(MakeSizes(rows, cols), memory.get(), g, q, options).Run();
}

}  // namespace

std::int64_t OrthogonalFactorBytes(std::int64_t rows, std::int64_t cols) {
  return WorkingBytes(rows, cols, sizeof(float));
}

std::int64_t OrthogonalFactorBytes64(std::int64_t rows, std::int64_t cols) {
  return WorkingBytes(rows, cols, sizeof(double));
}

absl::Status OrthogonalFactor(std::int64_t rows, std::int64_t cols, std::span<float> matrix,
                              const QrOptions& options) {
  const absl::Status size = CheckSize(rows, cols, matrix.size());
  if (!size.ok()) return size;
  return Factor(rows, cols, matrix.data(), matrix.data(), options);
}

absl::Status OrthogonalFactor(std::int64_t rows, std::int64_t cols, std::span<const float> g,
                              std::span<double> q, const QrOptions& options) {
  absl::Status size = CheckSize(rows, cols, g.size());
  size.Update(CheckSize(rows, cols, q.size()));
  if (!size.ok()) return size;
  return Factor(rows, cols, g.data(), q.data(), options);
}

}  // namespace weightinit
