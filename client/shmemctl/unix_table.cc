#include "client/shmemctl/unix_table.h"

#include <algorithm>
#include <array>

namespace shmemd::shmemctl {
namespace {

// Takes the next word of a line.
std::string_view TakeWord(std::string_view* line) {
  while (line->starts_with(' ')) line->remove_prefix(1);
  const std::string_view word = line->substr(0, line->find(' '));
  line->remove_prefix(word.size());
  return word;
}

}  // namespace

int ConnectionsAt(std::string_view table, std::string_view path) {
  constexpr std::string_view kConnected = "03";
  int count = 0;
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    // Num RefCount Protocol Flags Type St Inode Path
    std::array<std::string_view, 7> words;
    for (std::string_view& word : words) word = TakeWord(&line);
    if (line.starts_with(' ')) line.remove_prefix(1);
    if (words[5] == kConnected && line == path) ++count;
  }
  return count;
}

}  // namespace shmemd::shmemctl
