#include "lib/source/closed_form.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>

#include "lib/source/kernels/kernels.h"

namespace weightinit {
namespace {

static_assert(std::endian::native == std::endian::little,
              "values are little-endian in memory and on the wire");

template <typename T>
Element ElementOf(T value) {
  Element element;
  element.size = sizeof value;
  std::memcpy(element.bytes.data(), &value, sizeof value);
  return element;
}

class FilledSource final : public Source {
 public:
  explicit FilledSource(double value) : value_(value) {}
  void Draw(std::int64_t, std::int64_t, std::int64_t count, DType dtype,
            std::byte* out) const override {
    FillElements(MakeElement(value_, dtype), count, out);
  }

 private:
  double value_;
};

// 0 but for one value at one place per row.
class MarkedRowsSource final : public Source {
 public:
  MarkedRowsSource(SparseRows rows, double value) : rows_(std::move(rows)), value_(value) {}
  void Draw(std::int64_t index, std::int64_t stride, std::int64_t count, DType dtype,
            std::byte* out) const override {
    const Element element = MakeElement(value_, dtype);
    std::memset(out, 0, static_cast<std::size_t>(count) * element.size);
    ForEachMarked(rows_, index, stride, count, [&](std::int64_t k, std::int64_t) {
      std::memcpy(out + static_cast<std::size_t>(k) * element.size, element.bytes.data(),
                  element.size);
    });
  }

 private:
  SparseRows rows_;
  double value_;
};

}  // namespace

Element MakeElement(double value, DType dtype) {
  switch (dtype) {
    case DType::kFloat64:
      return ElementOf(value);
    case DType::kInt64:
      return ElementOf(static_cast<std::int64_t>(value));
    case DType::kInt32:
      return ElementOf(static_cast<std::int32_t>(value));
    case DType::kUInt8:
    case DType::kBool:
      return ElementOf(static_cast<std::uint8_t>(value));
    default: {
      Element element;
      element.size = static_cast<std::size_t>(SizeBytes(dtype));
      const auto binary32 = static_cast<float>(value);
      kernels::BestKernels().convert(&binary32, 1, dtype, element.bytes.data());
      return element;
    }
  }
}

void FillElements(const Element& element, std::int64_t count, std::byte* out) {
  const std::size_t total = static_cast<std::size_t>(count) * element.size;
  if (total == 0) return;
  // Doubles what is there already: as fast as memset for every element size.
  std::memcpy(out, element.bytes.data(), element.size);
  for (std::size_t done = element.size; done < total;) {
    const std::size_t n = std::min(done, total - done);
    std::memcpy(out + done, out, n);
    done += n;
  }
}

void ForEachMarked(const SparseRows& rows, std::int64_t index, std::int64_t stride,
                   std::int64_t count,
                   const std::function<void(std::int64_t k, std::int64_t row)>& visit) {
  if (count == 0) return;
  if (stride > rows.row_size) {  // fewer elements than rows between them
    for (std::int64_t k = 0; k < count; ++k) {
      const std::int64_t i = index + k * stride;
      if (rows.position(i / rows.row_size) == i % rows.row_size) visit(k, i / rows.row_size);
    }
    return;
  }
  const std::int64_t last = index + (count - 1) * stride;
  for (std::int64_t row = index / rows.row_size; row <= last / rows.row_size; ++row) {
    const std::int64_t position = rows.position(row);
    if (position < 0) continue;
    const std::int64_t ahead = row * rows.row_size + position - index;
    if (ahead < 0 || ahead > last - index) continue;
    if (ahead == 0) {
      visit(0, row);
    } else if (ahead % stride == 0) {
      visit(ahead / stride, row);
    }
  }
}

std::unique_ptr<const Source> MakeFilled(const FilledWith& filled) {
  return std::make_unique<FilledSource>(filled.value);
}

std::unique_ptr<const Source> MakeDiagonal(const DiagonalOf& diagonal,
                                           std::span<const std::int64_t> shape) {
  const std::int64_t cols = shape[1];
  SparseRows rows{shape[0], cols, [cols](std::int64_t row) { return row < cols ? row : -1; }};
  return std::make_unique<MarkedRowsSource>(std::move(rows), diagonal.gain);
}

std::unique_ptr<const Source> MakeDirac(const DiracDelta& dirac,
                                        std::span<const std::int64_t> shape) {
  // torch's centre is k // 2, also for even k.
  std::int64_t kernel_size = 1, centre = 0;
  for (const std::int64_t k : shape.subspan(2)) {
    centre = centre * k + k / 2;
    kernel_size *= k;
  }
  const std::int64_t per_group = shape[0] / dirac.groups, channels = shape[1];
  SparseRows rows{shape[0], channels * kernel_size, [=](std::int64_t row) {
                    const std::int64_t channel = row % per_group;
                    return channel < channels ? channel * kernel_size + centre : -1;
                  }};
  return std::make_unique<MarkedRowsSource>(std::move(rows), 1.0);
}

}  // namespace weightinit
