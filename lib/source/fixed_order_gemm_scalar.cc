// The reference: the loops of fixed_order_gemm.h written down plainly.
#include <algorithm>
#include <cstdint>

#include "lib/source/fixed_order_gemm.h"

namespace weightinit {
namespace {

constexpr std::int64_t kW = kStripColumns;

template <class T>
void AddBlock(std::int64_t begin, std::int64_t end, const T* v, const T* c, T* w, bool first) {
  for (std::int64_t i = 0; i < kW; ++i) {
    T sums[kW] = {};
    for (std::int64_t r = begin; r < end; ++r) {
      const T factor = v[r * kW + i];
      for (std::int64_t j = 0; j < kW; ++j) sums[j] += factor * c[r * kW + j];
    }
    for (std::int64_t j = 0; j < kW; ++j) {
      w[i * kW + j] = first ? sums[j] : w[i * kW + j] + sums[j];
    }
  }
}

template <class T>
void Inner(std::int64_t rows, Strips<const T> v, Strips<const T> c, T* w) {
  for (std::int64_t s = 0; s < c.count; ++s) {
    for (std::int64_t q = 0; q < v.count; ++q) {
      T* const to = w + (s * v.count + q) * kW * kW;
      for (std::int64_t r = 0; r < rows; r += kRowBlock) {
        AddBlock(r, std::min(r + kRowBlock, rows), v.data + q * v.stride, c.data + s * c.stride, to,
                 r == 0);
      }
    }
  }
}

template <class T>
void SubtractFromRow(std::int64_t r, Strips<const T> v, const T* w, T* row) {
  for (std::int64_t i = 0; i < v.count * kW; ++i) {
    const T factor = v.data[(i / kW) * v.stride + r * kW + i % kW];
    for (std::int64_t j = 0; j < kW; ++j) row[j] -= factor * w[i * kW + j];
  }
}

template <class T>
void Subtract(std::int64_t rows, Strips<const T> v, const T* w, Strips<T> c) {
  for (std::int64_t s = 0; s < c.count; ++s) {
    for (std::int64_t r = 0; r < rows; ++r) {
      SubtractFromRow(r, v, w + s * v.count * kW * kW, c.data + s * c.stride + r * kW);
    }
  }
}

void ColumnProducts(std::int64_t first, std::int64_t rows, std::int64_t column, const double* a,
                    double* s) {
  std::fill_n(s, kW, 0.0);
  while (first < rows) {
    const std::int64_t end = std::min((first / kRowBlock + 1) * kRowBlock, rows);
    double sums[kW] = {};
    for (; first < end; ++first) {
      const double factor = a[first * kW + column];
      for (std::int64_t c = 0; c < kW; ++c) sums[c] += factor * a[first * kW + c];
    }
    for (std::int64_t c = 0; c < kW; ++c) s[c] += sums[c];
  }
}

void ColumnUpdate(std::int64_t first, std::int64_t rows, std::int64_t column, double scale,
                  const double* t, double* a) {
  for (std::int64_t r = first; r < rows; ++r) {
    const double u = a[r * kW + column] * scale;
    for (std::int64_t c = 0; c < kW; ++c) a[r * kW + c] -= u * t[c];
    a[r * kW + column] = u;
  }
}

}  // namespace

const QrKernels& ScalarQrKernels() {
  static constexpr QrKernels kKernels = {
      .name = "scalar",
      .f32 = {.inner = Inner<float>, .subtract = Subtract<float>},
      .f64 = {.inner = Inner<double>, .subtract = Subtract<double>},
      .column_products = ColumnProducts,
      .column_update = ColumnUpdate,
  };
  return kKernels;
}

}  // namespace weightinit
