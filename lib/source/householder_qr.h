// The semi-orthogonal factor Q of a Householder QR factorization, with bits that do not depend on
// where it is computed.
//
//   std::vector<float> matrix = …;  // G, rows × cols, row-major
//   absl::Status status = OrthogonalFactor(rows, cols, matrix);  // now Q
//
// rows >= cols: G = Q R, Q has orthonormal columns, R is upper triangular with R_jj >= 0.
// rows < cols: Q is the transpose of that factor of the transpose of G, and has orthonormal rows.
// Where a column depends on the columns before it, R_jj is 0 up to rounding, and Q gets some unit
// vector orthogonal to those: deterministic, but of no meaning. The Q of a zero matrix is the first
// rows or columns of the identity matrix.
//
// Q is a binary32 matrix: it is to the orthogonal initializer what z is to the normal one, the draw
// that every dtype rounds or widens. The caller applies the gain: gain * Q in binary64 is exact for
// a binary32 gain, so x is rounded once. The factorization, which a square Gaussian matrix
// amplifies errors of by its condition number, is done in binary64; the product of the reflections,
// which amplifies nothing, in binary32, at half the memory and twice the speed. For callers that
// want more, a second function forms a binary64 Q (within 1e-6 of the first, 1.4 times the time).
//
// Guaranteed: the bits are a function of rows, cols and G alone, whatever the instruction set,
// compiler, number of threads and order of the tasks (docs/orthogonal.md states every operation).
// No element of Q is -0.
//
// Accuracy: max|Q^T Q - I| <= 1e-5 (measured: 5e-7 up to 8192 × 8192; binary64: 1e-14), and for
// Gaussian G |Q - exact Q of G| <= 2^-10 (measured: 8e-7).
// Not guaranteed: closeness to the exact Q of a G whose leading columns are nearly dependent; no
// algorithm has that.
//
// Thread-safety: functions keep no state. The floating-point environment must be the default one
// (round to nearest, subnormals kept) on every thread that runs a task.
#ifndef WEIGHTINIT_LIB_SOURCE_HOUSEHOLDER_QR_H_
#define WEIGHTINIT_LIB_SOURCE_HOUSEHOLDER_QR_H_

#include <cstdint>
#include <functional>
#include <span>

#include "absl/status/status.h"
#include "lib/source/fixed_order_gemm.h"

namespace weightinit {

// Calls task(0) … task(count - 1), each once, in any order and on any threads, and returns when all
// have returned.
using QrParallelFor =
    std::function<void(std::int64_t count, const std::function<void(std::int64_t)>& task)>;

struct QrOptions {
  // Empty: one after the other on the calling thread.
  QrParallelFor parallel_for = nullptr;
  // Asked before each panel of 64 columns and each task of its update, from the threads that run
  // them (some 10 ms apart for 8000 rows). Empty: never cancelled.
  std::function<bool()> cancelled = nullptr;
  // Null: BestQrKernels().
  const QrKernels* kernels = nullptr;
};

// Replaces G by its binary32 Q in place.
//
// Range: rows, cols >= 1; every element finite (else Q holds NaN, but nothing worse happens).
// Memory: one allocation of OrthogonalFactorBytes(rows, cols), and 160 KiB of stack.
// Errors: INVALID_ARGUMENT for a shape that is not positive or does not match the size of `matrix`;
// CANCELLED; RESOURCE_EXHAUSTED if the memory is not to be had. `matrix` is then unchanged.
absl::Status OrthogonalFactor(std::int64_t rows, std::int64_t cols, std::span<float> matrix,
                              const QrOptions& options = {});

// Stores the binary64 Q of G; allocates OrthogonalFactorBytes64(rows, cols). The rest as above.
absl::Status OrthogonalFactor(std::int64_t rows, std::int64_t cols, std::span<const float> g,
                              std::span<double> q, const QrOptions& options = {});

// What the two allocate, beside G and Q: a binary64 copy of G, whose short side is rounded up to
// 16, and about 0.25 KiB (binary64: 0.5 KiB) per row and column. Saturate at the maximum of int64.
// REQUIRES: rows, cols >= 1.
std::int64_t OrthogonalFactorBytes(std::int64_t rows, std::int64_t cols);
std::int64_t OrthogonalFactorBytes64(std::int64_t rows, std::int64_t cols);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_HOUSEHOLDER_QR_H_
