// What is known of the terminal behind a stream, and text made for it.
//
// Thread-safety: const member functions may be called from several threads at once.
#ifndef WEIGHTINIT_CLIENT_CLI_TERMINAL_H_
#define WEIGHTINIT_CLIENT_CLI_TERMINAL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weightinit::client {

class Terminal {
 public:
  // Colours only on a terminal that is not dumb, and without NO_COLOR (https://no-color.org).
  explicit Terminal(int fd);
  // For tests.
  Terminal(bool is_terminal, bool colours, std::size_t width)
      : is_terminal_(is_terminal), colours_(colours), width_(width) {}

  bool is_terminal() const { return is_terminal_; }
  // Columns; 80 where there is no terminal.
  std::size_t width() const { return width_; }

  std::string Bold(std::string_view text) const { return Styled("1", text); }
  std::string Dim(std::string_view text) const { return Styled("2", text); }
  std::string Red(std::string_view text) const { return Styled("31", text); }
  std::string Yellow(std::string_view text) const { return Styled("33", text); }
  std::string Cyan(std::string_view text) const { return Styled("36", text); }

 private:
  std::string Styled(std::string_view code, std::string_view text) const;

  bool is_terminal_ = false, colours_ = false;
  std::size_t width_ = 80;
};

// Columns that the text takes: its characters.
std::size_t DisplayWidth(std::string_view text);

// The text, cut to `width` columns; what is cut ends in "…".
std::string Cut(std::string_view text, std::size_t width);

// The same, cut in the middle: "layer1…weight". Names differ at both ends.
std::string CutMiddle(std::string_view text, std::size_t width);

// "102.4 MB", decimal units as disks and networks count.
std::string HumanBytes(double bytes);

// "25,557,032"
std::string WithCommas(std::uint64_t number);

// "1.25e-05": 6 significant digits.
std::string Short(double number);

// The same with 4, for columns.
std::string Brief(double number);

// 16 hex digits.
std::string DigestText(std::uint64_t digest);

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_TERMINAL_H_
