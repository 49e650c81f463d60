// One picture after the other at the same place of a terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace shmemd::client {

// Lines of the terminal; 0: it has no limit, or is none.
int RowsOf(int fd);
int ColumnsOf(int fd);

// Remembers only what size the terminal had. A value; owned by whoever draws.
class Screen {
 public:
  // What to write so that the terminal shows `text` and nothing else: over the picture before, without a
  // moment of emptiness; over an empty one where the terminal has another size now. Lines that do not fit
  // into `rows` are counted in the last one; what does not fit into `columns` goes on where the terminal does
  // not show it.
  std::string Draw(std::string_view text, int rows, int columns);

 private:
  std::optional<std::pair<int, int>> drawn_;  // rows and columns
};

}  // namespace shmemd::client
