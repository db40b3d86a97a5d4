#include "lib/base/sha256.h"

#include <openssl/sha.h>

namespace weightinit {

std::array<std::uint8_t, 32> Sha256(std::string_view bytes) {
  std::array<std::uint8_t, 32> digest;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest.data());
  return digest;
}

std::uint64_t TaggedHash64(std::string_view tag, std::string_view rest) {
  std::string input(tag);
  input.push_back('\0');
  input.append(rest);
  const auto digest = Sha256(input);
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = (value << 8) | digest[static_cast<std::size_t>(i)];
  return value;
}

void AppendU64(std::uint64_t value, std::string& bytes) {
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
}

void AppendSized(std::string_view text, std::string& bytes) {
  AppendU64(text.size(), bytes);
  bytes.append(text);
}

}  // namespace weightinit
