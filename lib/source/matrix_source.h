// Sources that must make a whole matrix for any part of it: orthogonal, delta_orthogonal, sparse.
#ifndef WEIGHTINIT_LIB_SOURCE_MATRIX_SOURCE_H_
#define WEIGHTINIT_LIB_SOURCE_MATRIX_SOURCE_H_

#include <cstdint>
#include <memory>

#include "lib/source/source.h"

namespace weightinit {

absl::StatusOr<std::unique_ptr<const Source>> MakeOrthogonal(const Draw& draw,
                                                             const OrthogonalMatrix& orthogonal,
                                                             const SourceTools& tools);
absl::StatusOr<std::unique_ptr<const Source>> MakeDeltaOrthogonal(
    const Draw& draw, const DeltaOrthogonalKernel& kernel, const SourceTools& tools);
absl::StatusOr<std::unique_ptr<const Source>> MakeSparse(const Draw& draw,
                                                         const SparseNormal& sparse,
                                                         const SourceTools& tools);

// What making them takes at its peak; see MatrixBytes.
std::int64_t OrthogonalBytes(std::int64_t rows, std::int64_t cols);
std::int64_t SparseBytes(const SparseNormal& sparse);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SOURCE_MATRIX_SOURCE_H_
