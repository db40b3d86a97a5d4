#include "client/cli/table.h"

#include <algorithm>

#include "client/printable.h"

namespace weightinit::client {
namespace {

constexpr std::size_t kGap = 2;
// A text shorter than this says little: rather than that, a column goes.
constexpr std::size_t kLeastText = 20;

}  // namespace

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

Table::Layout Table::Natural() const {
  Layout layout;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t width = DisplayWidth(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[c]));
    layout.widths.push_back(width);
    layout.shown.push_back(true);
  }
  return layout;
}

// How much wider than `width` a line is.
std::size_t Table::Excess(const Layout& layout, std::size_t width) const {
  std::size_t total = 0;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (layout.shown[c]) total += layout.widths[c] + (total > 0 ? kGap : 0);
  }
  return total > width ? total - width : 0;
}

Table::Layout Table::Fitted(std::size_t width) const {
  Layout layout = Natural();
  // Takes the excess from the widest text, as long as that is wider than `least`.
  const auto shorten = [&](std::size_t least) {
    while (Excess(layout, width) > 0) {
      std::size_t* widest = nullptr;
      for (std::size_t c = 0; c < columns_.size(); ++c) {
        if (!layout.shown[c] || columns_[c].fit == Fit::kWhole || layout.widths[c] <= least) {
          continue;
        }
        if (widest == nullptr || layout.widths[c] > *widest) widest = &layout.widths[c];
      }
      if (widest == nullptr) return false;
      --*widest;
    }
    return true;
  };
  const Layout natural = layout;
  while (!shorten(kLeastText)) {
    int highest = 0;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (layout.shown[c]) highest = std::max(highest, columns_[c].rank);
    }
    if (highest == 0) {
      shorten(1);
      break;
    }
    layout.widths = natural.widths;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (columns_[c].rank == highest) layout.shown[c] = false;
    }
  }
  return layout;
}

std::string Table::Line(const Layout& layout, const std::vector<std::string>& cells) const {
  std::string text;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (!layout.shown[c]) continue;
    const std::string cell = columns_[c].fit == Fit::kShortenedInTheMiddle
                                 ? CutMiddle(cells[c], layout.widths[c])
                                 : Cut(cells[c], layout.widths[c]);
    const std::string padding(layout.widths[c] - DisplayWidth(cell), ' ');
    if (!text.empty()) text.append(kGap, ' ');
    text += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

std::string Table::Below(const Layout& layout, const std::vector<std::string>& cells) const {
  std::string text;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (layout.shown[c] || columns_[c].moved != Moved::kBelow || cells[c].empty()) continue;
    text += (text.empty() ? "" : ": ") + cells[c];
  }
  return text;
}

// The titles of what is not shown.
std::string Table::Left(const Layout& layout) const {
  std::string text;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (layout.shown[c] || columns_[c].moved == Moved::kBelow) continue;
    text += (text.empty() ? "" : ", ") + columns_[c].title;
  }
  return text;
}

std::string Table::Text(const Terminal& terminal) const {
  const Layout layout = terminal.is_terminal() ? Fitted(terminal.width()) : Natural();
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::string text = terminal.Bold(Line(layout, titles)) + "\n";
  for (const auto& row : rows_) {
    text += Line(layout, row) + "\n";
    if (const std::string below = Below(layout, row); !below.empty()) {
      text += terminal.Dim(Cut("    " + below, terminal.width())) + "\n";
    }
  }
  if (const std::string left = Left(layout); !left.empty()) {
    text += terminal.Dim(Cut("(no room for " + left + ")", terminal.width())) + "\n";
  }
  return text;
}

}  // namespace weightinit::client
