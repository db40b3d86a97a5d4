#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace weightinit::client {

Terminal::Terminal(int fd) : is_terminal_(::isatty(fd) == 1) {
  if (!is_terminal_) return;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  colours_ = (no_color == nullptr || *no_color == '\0') && term != nullptr &&
             std::string_view(term) != "dumb";
  struct winsize size {};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) width_ = size.ws_col;
}

std::string Terminal::Styled(std::string_view code, std::string_view text) const {
  if (!colours_) return std::string(text);
  std::string styled = "\x1b[";
  styled.append(code).append("m").append(text).append("\x1b[0m");
  return styled;
}

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

namespace {

// Of the first `characters` characters.
std::size_t BytesOf(std::string_view text, std::size_t characters) {
  std::size_t bytes = 0;
  for (; bytes < text.size(); ++bytes) {
    const bool starts = (static_cast<unsigned char>(text[bytes]) & 0xc0) != 0x80;
    if (starts && characters-- == 0) break;
  }
  return bytes;
}

}  // namespace

std::string Cut(std::string_view text, std::size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width == 0) return "";
  return std::string(text.substr(0, BytesOf(text, width - 1))) + "…";
}

std::string CutMiddle(std::string_view text, std::size_t width) {
  const std::size_t all = DisplayWidth(text);
  if (all <= width) return std::string(text);
  if (width == 0) return "";
  const std::size_t head = (width - 1) / 2, tail = width - 1 - head;
  return std::string(text.substr(0, BytesOf(text, head))) + "…" +
         std::string(text.substr(BytesOf(text, all - tail)));
}

std::string HumanBytes(double bytes) {
  static constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  std::size_t unit = 0;
  for (; bytes >= 999.95 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

std::string WithCommas(std::uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Short(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", number);
  return text;
}

std::string Brief(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", number);
  return text;
}

std::string DigestText(std::uint64_t digest) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digest));
  return text;
}

}  // namespace weightinit::client
