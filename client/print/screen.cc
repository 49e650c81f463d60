#include "client/print/screen.h"

#include <absl/strings/str_cat.h>
#include <sys/ioctl.h>

#include <vector>

namespace shmemd::client {
namespace {

constexpr char kClear[] = "\x1b[2J";
constexpr char kHome[] = "\x1b[H";
constexpr char kClearLine[] = "\x1b[K";
constexpr char kClearBelow[] = "\x1b[J";
constexpr char kNoWrap[] = "\x1b[?7l";
constexpr char kWrap[] = "\x1b[?7h";

std::vector<std::string> LinesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    lines.emplace_back(line);
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return lines;
}

}  // namespace

int RowsOf(int fd) {
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

int ColumnsOf(int fd) {
  winsize size = {};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

std::string Screen::Draw(std::string_view text, int rows, int columns) {
  std::vector<std::string> lines = LinesOf(text);
  // The last row stays free: the cursor goes there.
  const size_t room = rows > 2 ? static_cast<size_t>(rows) - 1 : lines.size();
  if (lines.size() > room) {
    const size_t more = lines.size() - room + 1;
    lines.resize(room);
    lines.back() = absl::StrCat("... ", more, " more lines");
  }
  const std::pair size(rows, columns);
  std::string drawn = drawn_ == size ? kHome : absl::StrCat(kClear, kHome);
  drawn_ = size;
  // A line that went on in the next row would push the picture out of place.
  drawn += kNoWrap;
  for (const std::string& line : lines) absl::StrAppend(&drawn, line, kClearLine, "\n");
  drawn += kClearBelow;
  drawn += kWrap;
  return drawn;
}

}  // namespace shmemd::client
