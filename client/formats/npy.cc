#include "client/formats/npy.h"

#include <cstddef>

namespace weightinit::client {

std::string_view NpyDescr(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "<f4";
    case DType::kFloat16:
      return "<f2";
    case DType::kFloat64:
      return "<f8";
    case DType::kInt64:
      return "<i8";
    case DType::kInt32:
      return "<i4";
    case DType::kBool:
      return "|b1";
    case DType::kBFloat16:
      return "<u2";
    case DType::kFloat8E4M3FN:
    case DType::kFloat8E5M2:
    case DType::kUInt8:
      return "|u1";
  }
  return "";
}

bool NpyHasDType(DType dtype) {
  return dtype != DType::kBFloat16 && dtype != DType::kFloat8E4M3FN && dtype != DType::kFloat8E5M2;
}

std::string NpyHead(DType dtype, std::span<const std::int64_t> shape) {
  std::string header =
      "{'descr': '" + std::string(NpyDescr(dtype)) + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    header += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  header += shape.size() == 1 ? ",), }" : "), }";
  // NumPy leaves room for the first dimension to grow to 21 digits in place.
  if (!shape.empty()) header.append(21 - std::to_string(shape[0]).size(), ' ');

  // Version 1.0 counts the header in 2 bytes. kMaxRank dimensions of 19 digits are far from that,
  // 2.0 has 4 bytes for whoever comes with more.
  constexpr std::size_t kAlignment = 64;
  const bool long_header = header.size() + 2 * kAlignment > 0xffff;
  const std::size_t preamble = long_header ? 12 : 10;
  // NumPy pads by 1 to 64 spaces, not 0 to 63.
  header.append(kAlignment - (preamble + header.size() + 1) % kAlignment, ' ');
  header += '\n';

  std::string head = "\x93NUMPY";
  head += long_header ? '\2' : '\1';
  head += '\0';
  for (std::size_t i = 0; i + 8 < preamble; ++i) {
    head += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return head + header;
}

}  // namespace weightinit::client
