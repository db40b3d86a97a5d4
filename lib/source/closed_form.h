// Sources whose elements are a closed form of the index: filled, diagonal, dirac.
#ifndef WEIGHTINIT_LIB_SOURCE_CLOSED_FORM_H_
#define WEIGHTINIT_LIB_SOURCE_CLOSED_FORM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "lib/source/source.h"

namespace weightinit {

// One element as it lies in memory.
struct Element {
  std::array<std::byte, 8> bytes{};
  std::size_t size = 0;
};

// `value` in the dtype. Floating dtypes but FLOAT64 go through binary32, rounded once each;
// integers hold whole numbers.
Element MakeElement(double value, DType dtype);

void FillElements(const Element& element, std::int64_t count, std::byte* out);

std::unique_ptr<const Source> MakeFilled(const FilledWith& filled);
std::unique_ptr<const Source> MakeDiagonal(const DiagonalOf& diagonal,
                                           std::span<const std::int64_t> shape);
std::unique_ptr<const Source> MakeDirac(const DiracDelta& dirac,
                                        std::span<const std::int64_t> shape);

// A tensor that is 0 but for at most one element in each row of dimension 0.
struct SparseRows {
  std::int64_t rows = 0;
  std::int64_t row_size = 0;  // elements
  // Where in row r the element is; −1: nowhere.
  std::function<std::int64_t(std::int64_t row)> position;
};

// Calls visit(k, row) for each of the elements index + k·stride, k < count, that is the one of its
// row.
void ForEachMarked(const SparseRows& rows, std::int64_t index, std::int64_t stride,
                   std::int64_t count,
                   const std::function<void(std::int64_t k, std::int64_t row)>& visit);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_CLOSED_FORM_H_
