#include "client/formats/tensor_file_name.h"

#include <cstdio>

#include "weightinit/plan.h"

namespace weightinit::client {

std::string TensorFileName(std::string_view tensor, std::string_view extension) {
  // NAME_MAX is 255; what is cut keeps room for its hash and the extension.
  constexpr std::size_t kMost = 240, kCut = 200;
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string name;
  for (const char c : tensor) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || c == '-' || (c == '.' && !name.empty());
    if (plain) {
      name += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    name += '%';
    name += kHex[byte >> 4];
    name += kHex[byte & 15];
  }
  if (name.empty()) name = "%";
  if (name.size() + extension.size() > kMost) {
    char hash[24];
    // '%' and a digit that is none: no other name becomes this one.
    std::snprintf(hash, sizeof hash, "%%~%016llx",
                  static_cast<unsigned long long>(SubsequenceOf(tensor)));
    name = name.substr(0, kCut) + hash;
  }
  return name.append(extension);
}

}  // namespace weightinit::client
