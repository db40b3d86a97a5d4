// Values into memory that does not lie in one piece: a column of a matrix, a transposed view.
#ifndef WEIGHTINIT_CLIENT_PYTHON_SRC_STRIDED_SINK_H_
#define WEIGHTINIT_CLIENT_PYTHON_SRC_STRIDED_SINK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "weightinit/dtype.h"
#include "weightinit/shape.h"
#include "weightinit/sink.h"

namespace weightinit::python {

class StridedSink final : public Sink {
 public:
  // Element (j0, j1, …) goes to first + Σ j_d·byte_strides[d]. Strides may be negative.
  // REQUIRES: shape and byte_strides have one rank; the memory is there
  StridedSink(std::byte* first, Shape shape, std::vector<std::int64_t> byte_strides, DType dtype);

  std::byte* Destination(std::int64_t offset, std::int64_t count) override;
  void Take(const Piece& piece) override;

 private:
  std::byte* At(std::int64_t offset) const;

  std::byte* const first_;
  const Shape shape_;
  const std::vector<std::int64_t> strides_;
  const std::int64_t element_;
  const std::int64_t row_;  // elements of the last dimension
};

}  // namespace weightinit::python

#endif  // WEIGHTINIT_CLIENT_PYTHON_SRC_STRIDED_SINK_H_
