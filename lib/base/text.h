// Text helpers: numbers that read back exactly, names that nearly match, UTF-8.
#ifndef WEIGHTINIT_LIB_BASE_TEXT_H_
#define WEIGHTINIT_LIB_BASE_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weightinit {

// The shortest decimal form that reads back to the same binary64; "inf", "-inf", "nan".
std::string FormatNumber(double value);

// Hexadecimal, exact: "0x1.47ae147ae147bp-6".
std::string FormatHex(double value);

// JSON's numbers, also inf, infinity and nan with a sign, in any case. None if anything is left
// over.
std::optional<double> ReadNumber(std::string_view text);
std::optional<std::int64_t> ReadInteger(std::string_view text);

std::string ToLower(std::string_view text);
std::string ToUpper(std::string_view text);
std::string_view Strip(std::string_view text);

// `text` in double quotes, control characters escaped, cut after 80 bytes.
std::string Quote(std::string_view text);

std::string Join(const std::vector<std::string>& parts, std::string_view separator);

// Whether every byte belongs to a well-formed sequence (no surrogates, nothing overlong, nothing
// above U+10FFFF).
bool IsValidUtf8(std::string_view text);

// At which ends a candidate may go on at no cost.
struct OpenEnds {
  bool start = false, end = false;
};

// The up to `count` candidates nearest to `text` by edit distance, best first, leaving out those
// that differ in more than half; of a text with an open end, in more than a third.
std::vector<std::string> Nearest(std::string_view text,
                                 const std::vector<std::string_view>& candidates, std::size_t count,
                                 OpenEnds open = {});

}  // namespace weightinit

#endif  // WEIGHTINIT_LIB_BASE_TEXT_H_
