#include "lib/source/draw_box.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace weightinit {
namespace {

// A tile of what is drawn on one side and belongs across: rows of the draw, and elements of each.
// A line of a cache is filled by a tile at once, wherever the tensor's rows lie.
constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileElements = 256;
constexpr std::size_t kMaxElementBytes = 8;

// What an element costs in a run of such a dimension, in elements that are drawn: a kernel draws a
// whole vector at least, and what lies between near elements too (philox_source.cc).
double CostOf(const DrawBox::Dim& dim) {
  constexpr double kVector = 16, kNearStride = 32;
  const auto count = static_cast<double>(dim.count);
  const double per_element =
      std::min(static_cast<double>(std::max<std::int64_t>(dim.draw_stride, 1)), kNearStride);
  return per_element + kVector / count;
}

// Lays out[k·run_stride + j·row_stride] = drawn[j][k].
template <typename T>
void Scatter(const std::byte* drawn, std::int64_t rows, std::int64_t elements,
             std::int64_t run_stride, std::int64_t row_stride, std::byte* out) {
  for (std::int64_t k = 0; k < elements; ++k) {
    std::byte* to = out + k * run_stride * static_cast<std::int64_t>(sizeof(T));
    for (std::int64_t j = 0; j < rows; ++j) {
      std::memcpy(to + j * row_stride * static_cast<std::int64_t>(sizeof(T)),
                  drawn + static_cast<std::size_t>(j * kTileElements + k) * sizeof(T), sizeof(T));
    }
  }
}

void Scatter(std::int64_t size, const std::byte* drawn, std::int64_t rows, std::int64_t elements,
             std::int64_t run_stride, std::int64_t row_stride, std::byte* out) {
  switch (size) {
    case 1:
      return Scatter<std::uint8_t>(drawn, rows, elements, run_stride, row_stride, out);
    case 2:
      return Scatter<std::uint16_t>(drawn, rows, elements, run_stride, row_stride, out);
    case 4:
      return Scatter<std::uint32_t>(drawn, rows, elements, run_stride, row_stride, out);
    default:
      return Scatter<std::uint64_t>(drawn, rows, elements, run_stride, row_stride, out);
  }
}

// Elements of the draw along `run`, for each position of `rows`.
void FillRuns(const Source* source, std::int64_t index, const DrawBox::Dim& run,
              const DrawBox::Dim& rows, DType dtype, std::byte* out) {
  const std::int64_t size = SizeBytes(dtype);
  if (run.out_stride == 1 || run.count == 1) {
    for (std::int64_t j = 0; j < rows.count; ++j) {
      std::byte* to = out + j * rows.out_stride * size;
      if (source == nullptr) {
        std::memset(to, 0, static_cast<std::size_t>(run.count * size));
      } else {
        source->Draw(index + j * rows.draw_stride, run.count > 1 ? run.draw_stride : 1, run.count,
                     dtype, to);
      }
    }
    return;
  }
  alignas(64) std::array<std::byte, kTileRows * kTileElements * kMaxElementBytes> drawn;
  if (source == nullptr) drawn.fill(std::byte{0});
  for (std::int64_t j = 0; j < rows.count; j += kTileRows) {
    const std::int64_t m = std::min(kTileRows, rows.count - j);
    for (std::int64_t k = 0; k < run.count; k += kTileElements) {
      const std::int64_t n = std::min(kTileElements, run.count - k);
      for (std::int64_t row = 0; row < m && source != nullptr; ++row) {
        source->Draw(index + (j + row) * rows.draw_stride + k * run.draw_stride, run.draw_stride, n,
                     dtype, drawn.data() + row * kTileElements * size);
      }
      Scatter(size, drawn.data(), m, n, run.out_stride, rows.out_stride,
              out + (j * rows.out_stride + k * run.out_stride) * size);
    }
  }
}

}  // namespace

void FillBox(const Source* source, const DrawBox& box, DType dtype, std::byte* out) {
  const std::span<const DrawBox::Dim> dims = box.Dims();
  const auto size = SizeBytes(dtype);
  DrawBox::Dim run{1, 1, 1};
  std::size_t along = dims.size();
  for (std::size_t d = 0; d < dims.size(); ++d) {
    // Zeros are cheapest where they lie side by side.
    const bool better =
        along == dims.size() ||
        (source == nullptr ? dims[d].out_stride < run.out_stride : CostOf(dims[d]) <= CostOf(run));
    if (!better) continue;
    along = d;
    run = dims[d];
  }
  // The runs are laid side by side along the dimension whose elements are neighbours in memory.
  DrawBox::Dim rows{1, 0, 0};
  std::size_t across = dims.size();
  for (std::size_t d = 0; d < dims.size(); ++d) {
    if (d == along || dims[d].out_stride != 1) continue;
    across = d;
    rows = dims[d];
  }
  // An odometer over the other dimensions.
  std::array<std::int64_t, kMaxRank> position{};
  std::int64_t index = box.draw_index, at = box.out_index;
  while (true) {
    FillRuns(source, index, run, rows, dtype, out + at * size);
    std::size_t d = dims.size();
    for (; d > 0; --d) {
      if (d - 1 == along || d - 1 == across) continue;
      const DrawBox::Dim& dim = dims[d - 1];
      index += dim.draw_stride;
      at += dim.out_stride;
      if (++position[d - 1] < dim.count) break;
      index -= dim.count * dim.draw_stride;
      at -= dim.count * dim.out_stride;
      position[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

}  // namespace weightinit
