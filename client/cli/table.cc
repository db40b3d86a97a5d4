#include "client/cli/table.h"

#include <algorithm>

#include "client/printable.h"

namespace weightinit::client {

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::Text(const Terminal& terminal) const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c]));
    widths.push_back(width);
  }
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_of(c);
      const std::string padding(widths[c] - DisplayWidth(cell), ' ');
      if (c > 0) text += "  ";
      text += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return terminal.is_terminal() ? Cut(text, terminal.width()) : text;
  };
  std::string text =
      terminal.Bold(line([&](std::size_t c) -> const std::string& { return columns_[c].title; }));
  text += '\n';
  for (const auto& row : rows_) {
    text += line([&](std::size_t c) -> const std::string& { return row[c]; });
    text += '\n';
  }
  return text;
}

}  // namespace weightinit::client
