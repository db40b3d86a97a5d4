// Columns of text.
//
// Thread-safety: for one thread.
#ifndef WEIGHTINIT_CLIENT_CLI_TABLE_H_
#define WEIGHTINIT_CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

#include "client/cli/terminal.h"

namespace weightinit::client {

class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Cells are made printable. REQUIRES: as many cells as columns
  void Add(std::vector<std::string> cells);

  // With titles. On a terminal, lines are cut to its width; elsewhere they are whole, so that
  // other programs get everything.
  std::string Text(const Terminal& terminal) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace weightinit::client

#endif  // WEIGHTINIT_CLIENT_CLI_TABLE_H_
