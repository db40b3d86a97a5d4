// SHA-256 (FIPS 180-4) by OpenSSL.
#ifndef WEIGHTINIT_LIB_BASE_SHA256_H_
#define WEIGHTINIT_LIB_BASE_SHA256_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weightinit {

std::array<std::uint8_t, 32> Sha256(std::string_view bytes);

// The first 8 bytes of SHA-256(tag ‖ 0x00 ‖ rest), read little-endian.
std::uint64_t TaggedHash64(std::string_view tag, std::string_view rest);

// 8 bytes, little-endian, appended.
void AppendU64(std::uint64_t value, std::string& bytes);

// u64le(size) ‖ text
void AppendSized(std::string_view text, std::string& bytes);

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_SHA256_H_
