// Elements as doubles.
#ifndef WEIGHTINIT_LIB_SINK_DECODE_H_
#define WEIGHTINIT_LIB_SINK_DECODE_H_

#include <cstddef>
#include <span>

#include "weightinit/dtype.h"

namespace weightinit {

// Exact for every dtype but INT64 beyond 2^53. REQUIRES: values.size() is out.size() elements
void DecodeElements(std::span<const std::byte> values, DType dtype, std::span<double> out);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_SINK_DECODE_H_
