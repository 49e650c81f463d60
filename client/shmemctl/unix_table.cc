#include "client/shmemctl/unix_table.h"

#include <algorithm>
#include <array>
#include <charconv>

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

std::vector<UnixConnection> ConnectionsAt(std::string_view table,
                                          const std::function<bool(const std::string&)>& is_wanted) {
  constexpr std::string_view kConnected = "03";
  std::vector<UnixConnection> connections;
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    // Num RefCount Protocol Flags Type St Inode Path
    std::array<std::string_view, 7> words;
    for (std::string_view& word : words) word = TakeWord(&line);
    if (line.starts_with(' ')) line.remove_prefix(1);
    uint64_t inode = 0;
    const std::string_view digits = words[6];
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), inode);
    if (words[5] != kConnected || line.empty() || parsed.ec != std::errc()) continue;
    const std::string path(line);
    if (is_wanted(path)) connections.push_back({inode, path});
  }
  return connections;
}

}  // namespace shmemd::shmemctl
