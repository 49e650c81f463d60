// Rows and columns as aligned text. A value; built by a printer, rendered once. A line never takes more
// columns than the terminal has: columns that may go go first (the last ones before the others), then the
// wide ones shrink, and what is still too long is cut.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/print/terminal.h"

namespace shmemd::client {

enum class Align { kLeft, kRight };

struct Column {
  std::string header;
  Align align = Align::kLeft;
  int min_width = 0;       // above 0: may shrink to this many columns
  bool droppable = false;  // may be left out where the terminal is narrow
};

struct Cell {
  Cell() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a row of cells is written as a row of texts
  Cell(std::string cell_text, Color cell_color = Color::kNone)
      : text(std::move(cell_text)), color(cell_color) {}
  std::string text;
  Color color = Color::kNone;
};

// How a list is printed.
struct PrintStyle {
  Terminal terminal;
  bool wide = false;   // every column, no limit of width
  bool bytes = false;  // sizes as plain numbers
  bool headers = true;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    columns_.insert(columns_.begin(), {"ENDPOINT", Align::kLeft, 8});
  }

  // Rows from here on come from there: a column ENDPOINT in front says so, which is left out where all are
  // empty.
  void SetEndpoint(std::string endpoint) { endpoint_ = std::move(endpoint); }
  // One cell for each column; texts are made printable here.
  void AddRow(std::vector<Cell> cells) {
    cells.insert(cells.begin(), Cell(endpoint_));
    rows_.push_back(std::move(cells));
  }

  // Each line ends with a newline. A column in which no row has text is left out.
  std::string Render(const PrintStyle& style) const;

 private:
  std::vector<Column> columns_;
  std::string endpoint_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace shmemd::client
