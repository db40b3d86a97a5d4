// NumPy's .npy files: the bytes before the values.
//
// Guaranteed: byte for byte what numpy.save (1.23 and later) writes for the same dtype and shape in
// C order. NumPy has no name for bfloat16 and float8: their bits are written as unsigned integers
// of the same size, and the caller should say so (NpyHasDType).
//
// Thread-safety: pure functions.
#ifndef WEIGHTINIT_CLIENT_FORMATS_NPY_H_
#define WEIGHTINIT_CLIENT_FORMATS_NPY_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "weightinit/dtype.h"

namespace weightinit::client {

// "<f4"; for bfloat16 and float8 the unsigned integer of their size.
std::string_view NpyDescr(DType dtype);

// False for the types whose bits are written as integers.
bool NpyHasDType(DType dtype);

// Magic, version, length and dictionary; a multiple of 64 bytes.
std::string NpyHead(DType dtype, std::span<const std::int64_t> shape);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_FORMATS_NPY_H_
