#include "lib/source/fixed_order_gemm.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/source/kernels/highway_targets.h"
#include "lib/source/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lib/source/fixed_order_gemm.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3
#define WEIGHTINIT_QR_TARGET_NAME "avx512"
#elif HWY_TARGET == HWY_AVX2
#define WEIGHTINIT_QR_TARGET_NAME "avx2"
#elif HWY_TARGET == HWY_SSE4
#define WEIGHTINIT_QR_TARGET_NAME "sse4"
#elif HWY_TARGET == HWY_NEON
#define WEIGHTINIT_QR_TARGET_NAME "neon"
#endif

#ifdef WEIGHTINIT_QR_TARGET_NAME

HWY_BEFORE_NAMESPACE();
namespace weightinit {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kW = kStripColumns;

template <class T>
using Tag = hn::CappedTag<T, static_cast<size_t>(kW)>;

template <class T>
constexpr std::int64_t Lanes() {
  return static_cast<std::int64_t>(hn::MaxLanes(Tag<T>()));
}

// The register tile: kTileRows rows of kTileVectors vectors are summed at once. 16 sums for 32
// registers, 8 for 16 leave room for a row of the other operand, a broadcast factor and a product,
// and hide the latency of an addition.
#if HWY_TARGET == HWY_AVX3
// With one vector, a factor is a broadcast operand of its only product: measured 1.45 times as fast
// as 8 x 2.
template <class T>
constexpr std::int64_t kTileVectors = 1;
template <class T>
constexpr int kTileRows = 16;
#elif HWY_TARGET == HWY_NEON
template <class T>
constexpr std::int64_t kTileVectors = 4;
template <class T>
constexpr int kTileRows = 4;
#else
template <class T>
constexpr std::int64_t kTileVectors = 2;
template <class T>
constexpr int kTileRows = 4;
#endif

// w[i, j] (+)= sum over r < rows of v[r, i] * c[r, j] for i < kTileRows and the tile's columns.
template <class T>
HWY_INLINE void InnerTile(std::int64_t rows, const T* HWY_RESTRICT v, const T* HWY_RESTRICT c,
                          T* HWY_RESTRICT w, bool first) {
  const Tag<T> d;
  constexpr std::int64_t kLanes = Lanes<T>();
  constexpr int kRows = kTileRows<T>;
  constexpr int kVectors = static_cast<int>(kTileVectors<T>);
  hn::Vec<Tag<T>> sums[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(d);
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    hn::Vec<Tag<T>> row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = hn::Load(d, c + r * kW + j * kLanes);
    for (int i = 0; i < kRows; ++i) {
      const auto factor = hn::Set(d, v[r * kW + i]);
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = hn::Add(sums[i][j], hn::Mul(factor, row[j]));
      }
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) {
      T* const to = w + i * kW + j * kLanes;
      hn::Store(first ? sums[i][j] : hn::Add(hn::Load(d, to), sums[i][j]), d, to);
    }
  }
}

// One block of rows of one strip of c. v and c point to the first of these rows.
template <class T>
HWY_INLINE void InnerBlock(std::int64_t rows, Strips<const T> v, const T* c, T* w, bool first) {
  constexpr std::int64_t kColumns = kTileVectors<T> * Lanes<T>();
  for (std::int64_t q = 0; q < v.count; ++q) {
    for (std::int64_t i = 0; i < kW; i += kTileRows<T>) {
      for (std::int64_t j = 0; j < kW; j += kColumns) {
        InnerTile<T>(rows, v.data + q * v.stride + i, c + j, w + (q * kW + i) * kW + j, first);
      }
    }
  }
}

// A block of v is used for every strip of c while it is in the cache.
template <class T>
void Inner(std::int64_t rows, Strips<const T> v, Strips<const T> c, T* w) {
  for (std::int64_t r = 0; r < rows; r += kRowBlock) {
    const Strips<const T> block = {v.count, v.data + r * kW, v.stride};
    for (std::int64_t s = 0; s < c.count; ++s) {
      InnerBlock(std::min(kRowBlock, rows - r), block, c.data + s * c.stride + r * kW,
                 w + s * v.count * kW * kW, r == 0);
    }
  }
}

// c[r, j] -= v[r, i] * w[i, j], i ascending, for r < kRows and the tile's columns.
template <class T, int kRows>
HWY_INLINE void SubtractTile(Strips<const T> v, const T* HWY_RESTRICT w, T* HWY_RESTRICT c) {
  const Tag<T> d;
  constexpr std::int64_t kLanes = Lanes<T>();
  constexpr int kVectors = static_cast<int>(kTileVectors<T>);
  hn::Vec<Tag<T>> rest[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) rest[r][j] = hn::Load(d, c + r * kW + j * kLanes);
  }
  for (std::int64_t q = 0; q < v.count; ++q) {
    for (std::int64_t i = 0; i < kW; ++i) {
      hn::Vec<Tag<T>> row[kVectors];
      for (int j = 0; j < kVectors; ++j) row[j] = hn::Load(d, w + (q * kW + i) * kW + j * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const auto factor = hn::Set(d, v.data[q * v.stride + r * kW + i]);
        for (int j = 0; j < kVectors; ++j) {
          rest[r][j] = hn::Sub(rest[r][j], hn::Mul(factor, row[j]));
        }
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kVectors; ++j) hn::Store(rest[r][j], d, c + r * kW + j * kLanes);
  }
}

template <class T, int kRows>
HWY_INLINE void SubtractRows(std::int64_t r, Strips<const T> v, const T* w, Strips<T> c) {
  constexpr std::int64_t kColumns = kTileVectors<T> * Lanes<T>();
  const Strips<const T> rows = {v.count, v.data + r * kW, v.stride};
  for (std::int64_t s = 0; s < c.count; ++s) {
    for (std::int64_t j = 0; j < kW; j += kColumns) {
      SubtractTile<T, kRows>(rows, w + s * v.count * kW * kW + j,
                             c.data + s * c.stride + r * kW + j);
    }
  }
}

template <class T>
void Subtract(std::int64_t rows, Strips<const T> v, const T* w, Strips<T> c) {
  std::int64_t r = 0;
  for (; r + kTileRows<T> <= rows; r += kTileRows<T>) SubtractRows<T, kTileRows<T>>(r, v, w, c);
  for (; r < rows; ++r) SubtractRows<T, 1>(r, v, w, c);
}

constexpr std::int64_t kVectors64 = kW / Lanes<double>();

void ColumnProducts(std::int64_t first, std::int64_t rows, std::int64_t column,
                    const double* HWY_RESTRICT a, double* HWY_RESTRICT s) {
  const Tag<double> d;
  constexpr std::int64_t kLanes = Lanes<double>();
  std::fill_n(s, kW, 0.0);
  while (first < rows) {
    const std::int64_t end = std::min((first / kRowBlock + 1) * kRowBlock, rows);
    hn::Vec<Tag<double>> sums[kVectors64];
    for (int j = 0; j < kVectors64; ++j) sums[j] = hn::Zero(d);
    for (; first < end; ++first) {
      const double* const row = a + first * kW;
      const auto factor = hn::Set(d, row[column]);
      for (int j = 0; j < kVectors64; ++j) {
        sums[j] = hn::Add(sums[j], hn::Mul(factor, hn::Load(d, row + j * kLanes)));
      }
    }
    for (int j = 0; j < kVectors64; ++j) {
      hn::StoreU(hn::Add(hn::LoadU(d, s + j * kLanes), sums[j]), d, s + j * kLanes);
    }
  }
}

void ColumnUpdate(std::int64_t first, std::int64_t rows, std::int64_t column, double scale,
                  const double* HWY_RESTRICT t, double* HWY_RESTRICT a) {
  const Tag<double> d;
  constexpr std::int64_t kLanes = Lanes<double>();
  hn::Vec<Tag<double>> factors[kVectors64];
  for (int j = 0; j < kVectors64; ++j) factors[j] = hn::LoadU(d, t + j * kLanes);
  for (std::int64_t r = first; r < rows; ++r) {
    double* const row = a + r * kW;
    const double u = row[column] * scale;
    const auto product = hn::Set(d, u);
    for (int j = 0; j < kVectors64; ++j) {
      const auto rest = hn::Load(d, row + j * kLanes);
      hn::Store(hn::Sub(rest, hn::Mul(product, factors[j])), d, row + j * kLanes);
    }
    row[column] = u;
  }
}

}  // namespace

extern const QrKernels kQrKernels;
const QrKernels kQrKernels = {
    .name = WEIGHTINIT_QR_TARGET_NAME,
    .f32 = {.inner = Inner<float>, .subtract = Subtract<float>},
    .f64 = {.inner = Inner<double>, .subtract = Subtract<double>},
    .column_products = ColumnProducts,
    .column_update = ColumnUpdate,
};

}  // namespace HWY_NAMESPACE
}  // namespace weightinit
HWY_AFTER_NAMESPACE();

#endif  // WEIGHTINIT_QR_TARGET_NAME
#undef WEIGHTINIT_QR_TARGET_NAME

#if HWY_ONCE
namespace weightinit {
namespace {

struct Available {
  const QrKernels* tables[8] = {};
  std::size_t count = 0;

  void AddIf(std::int64_t target, const QrKernels& kernels) {
    if ((hwy::SupportedTargets() & target) != 0) tables[count++] = &kernels;
  }
};

Available FindAvailable() {
  Available found;
  found.tables[found.count++] = &ScalarQrKernels();
#if HWY_TARGETS & HWY_NEON
  found.AddIf(HWY_NEON, N_NEON::kQrKernels);
#endif
#if HWY_TARGETS & HWY_SSE4
  found.AddIf(HWY_SSE4, N_SSE4::kQrKernels);
#endif
#if HWY_TARGETS & HWY_AVX2
  found.AddIf(HWY_AVX2, N_AVX2::kQrKernels);
#endif
#if HWY_TARGETS & HWY_AVX3
  found.AddIf(HWY_AVX3, N_AVX3::kQrKernels);
#endif
  return found;
}

// The target that the rest of the library takes.
const QrKernels& Choose() {
  const std::span<const QrKernels* const> all = AllQrKernels();
  for (const QrKernels* kernels : all) {
    if (kernels->name == kernels::BestKernels().target) return *kernels;
  }
  return *all.back();
}

}  // namespace

std::span<const QrKernels* const> AllQrKernels() {
  static const Available kAvailable = FindAvailable();
  return {kAvailable.tables, kAvailable.count};
}

const QrKernels& BestQrKernels() {
  static const QrKernels& best = Choose();
  return best;
}

}  // namespace weightinit
#endif  // HWY_ONCE
