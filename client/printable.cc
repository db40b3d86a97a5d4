#include "client/printable.h"

#include <cstddef>
#include <cstdint>

namespace weightinit::client {
namespace {

// Length of the UTF-8 character at the start of `text`; 0 where there is none. Overlong forms and
// surrogates count as none.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) >= 0xa0)) return 0;
  if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) >= 0x90)) return 0;
  return length;
}

bool IsControl(std::string_view character) {
  const auto first = static_cast<std::uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  if (character.size() == 2) return first == 0xc2 && static_cast<std::uint8_t>(character[1]) < 0xa0;
  // U+2028…202E and U+2066…2069: line separators and changes of writing direction.
  if (character.size() != 3 || first != 0xe2) return false;
  const auto second = static_cast<std::uint8_t>(character[1]);
  const auto third = static_cast<std::uint8_t>(character[2]);
  return (second == 0x80 && third >= 0xa8 && third <= 0xae) ||
         (second == 0x81 && third >= 0xa6 && third <= 0xa9);
}

}  // namespace

std::string Printable(std::string_view text, bool keep_newlines) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string printable;
  while (!text.empty()) {
    const std::size_t length = CharacterLength(text);
    const std::string_view character = text.substr(0, length == 0 ? 1 : length);
    text.remove_prefix(character.size());
    if (keep_newlines && character == "\n") {
      printable += '\n';
    } else if (length == 0 || IsControl(character)) {
      for (const char c : character) {
        const auto byte = static_cast<std::uint8_t>(c);
        printable += "\\x";
        printable += kHex[byte >> 4];
        printable += kHex[byte & 15];
      }
    } else {
      printable += character;
    }
  }
  return printable;
}

}  // namespace weightinit::client
