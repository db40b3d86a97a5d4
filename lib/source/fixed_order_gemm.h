// The inner loops of Householder QR, whose sums run in one fixed order.
//
// A strip is 16 consecutive columns of a matrix, stored row by row: element (r, c) stands at r * 16
// + c. Every element of a result is computed by itself, in the order stated below, and products are
// rounded before they are added: the width of a vector, the order of the elements and the number of
// threads therefore never show. All sets of kernels return the same bits; docs/orthogonal.md states
// the order for readers who want to reproduce them.
//
// A sum over rows is cut into blocks of kRowBlock rows. The partial sum of a block starts at +0 and
// takes its terms by increasing row; the partial sums are added by increasing block, starting from
// the first. (The blocks keep the error of a binary32 sum small for long matrices, and leave room
// for threads that share one sum.) A sum that starts at +0 is never -0, so leaving out terms that
// are exactly zero does not change it: kernels may skip structural zeros.
//
// Thread-safety: the tables are constant; kernels write only through their output arguments.
// Memory: kernels allocate nothing. Errors: none. Range: any finite values; nothing is checked.
#ifndef WEIGHTINIT_LIB_SOURCE_FIXED_ORDER_GEMM_H_
#define WEIGHTINIT_LIB_SOURCE_FIXED_ORDER_GEMM_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace weightinit {

// Columns of a strip: one cache line of binary32, two of binary64, and a multiple of every vector's
// lanes.
inline constexpr std::int64_t kStripColumns = 16;
// Rows of a block of a sum: a block of two binary64 strips fits in 32 KiB of first-level cache.
inline constexpr std::int64_t kRowBlock = 128;

// The strips of a matrix; strip q starts at data + q * stride.
template <class T>
struct Strips {
  std::int64_t count;
  T* data;
  std::int64_t stride;
};

// The two products that nearly all the work consists of. `v` has at most 4 strips, `c` any number.
// w holds, for each strip of c in turn, 16 * v.count rows of 16. The arguments do not overlap. All
// data starts at a multiple of 64 bytes.
template <class T>
struct ProductKernels {
  // w[i, j] = sum over r < rows of v[r, i] * c[r, j], in blocks from r = 0.
  void (*inner)(std::int64_t rows, Strips<const T> v, Strips<const T> c, T* w);

  // c[r, j] = (...((c[r, j] - v[r, 0] * w[0, j]) - v[r, 1] * w[1, j]) - ...) for r < rows, i
  // ascending.
  void (*subtract)(std::int64_t rows, Strips<const T> v, const T* w, Strips<T> c);
};

struct QrKernels {
  std::string_view name;  // as kernels/kernels.h spells it
  ProductKernels<float> f32;
  ProductKernels<double> f64;

  // s[c] = sum over first <= r < rows of a[r, column] * a[r, c], for c < 16. Blocks are counted
  // from row 0 of `a`.
  void (*column_products)(std::int64_t first, std::int64_t rows, std::int64_t column,
                          const double* a, double* s);

  // For first <= r < rows: a[r, c] = a[r, c] - u * t[c] for c < 16, with u = a[r, column] * scale;
  // then a[r, column] = u.
  void (*column_update)(std::int64_t first, std::int64_t rows, std::int64_t column, double scale,
                        const double* t, double* a);
};

// The plain C++ reference.
const QrKernels& ScalarQrKernels();

// Every set of kernels that this machine runs, the reference first and the best last.
std::span<const QrKernels* const> AllQrKernels();

// The set for the target of kernels::BestKernels(), which WEIGHTINIT_SIMD decides.
const QrKernels& BestQrKernels();

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_FIXED_ORDER_GEMM_H_
