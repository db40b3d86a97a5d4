// Columns of text.
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_CLI_TABLE_H_
#define WEIGHTINIT_CLIENT_CLI_TABLE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/terminal.h"

namespace weightinit::client {

class Table {
 public:
  enum class Align { kLeft, kRight };
  // On a terminal too narrow for all: what may become shorter.
  enum class Fit { kWhole, kShortened, kShortenedInTheMiddle };
  // Where a column goes that does not fit: nowhere, or to a second line of each row.
  enum class Moved { kAway, kBelow };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    Fit fit = Fit::kWhole;
    int rank = 0;  // what does not fit goes by rank, the highest first; 0 stays
    Moved moved = Moved::kAway;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Cells are made printable. REQUIRES: as many cells as columns
  void Add(std::vector<std::string> cells);

  // With titles. On a terminal, as wide as it is: columns go and are shortened, numbers never are,
  // and a last line says what went. Elsewhere everything is whole, so that other programs get it.
  std::string Text(const Terminal& terminal) const;

 private:
  struct Layout {
    std::vector<std::size_t> widths;
    std::vector<bool> shown;
  };
  Layout Natural() const;
  Layout Fitted(std::size_t width) const;
  std::size_t Excess(const Layout& layout, std::size_t width) const;
  std::string Line(const Layout& layout, const std::vector<std::string>& cells) const;
  std::string Below(const Layout& layout, const std::vector<std::string>& cells) const;
  std::string Left(const Layout& layout) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_TABLE_H_
