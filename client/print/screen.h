// One picture after the other at the same place of a terminal.
#pragma once

#include <string>
#include <string_view>

namespace shmemd::client {

// Lines of the terminal; 0: it has no limit, or is none.
int RowsOf(int fd);

// Remembers only whether it has drawn. A value; owned by whoever draws.
class Screen {
 public:
  // What to write so that the terminal shows `text` and nothing else: over the picture before, without a
  // moment of emptiness. Lines that do not fit into `rows` are counted in the last one.
  std::string Draw(std::string_view text, int rows);

 private:
  bool drawn_ = false;
};

}  // namespace shmemd::client
