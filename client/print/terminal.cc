#include "client/print/terminal.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace shmemd::client {
namespace {

bool SaysUtf8(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string locale = environment(name);
    if (locale.empty()) continue;
    absl::AsciiStrToLower(&locale);
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

int WidthOf(int fd, const Environment& environment) {
  int columns = 0;
  if (absl::SimpleAtoi(environment("COLUMNS"), &columns) && columns > 0) return columns;
  winsize size = {};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0) return size.ws_col;
  return 0;
}

const char* CodeOf(Color color) {
  switch (color) {
    case Color::kNone:
      return "";
    case Color::kRed:
      return "\x1b[31m";
    case Color::kGreen:
      return "\x1b[32m";
    case Color::kYellow:
      return "\x1b[33m";
    case Color::kBlue:
      return "\x1b[34m";
    case Color::kDim:
      return "\x1b[2m";
    case Color::kBold:
      return "\x1b[1m";
  }
  return "";
}

}  // namespace

std::string ProcessEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Terminal DetectTerminal(int fd, ColorWhen color, std::optional<int> width, const Environment& environment) {
  const bool wanted = ::isatty(fd) == 1 && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  return {.width = width.has_value() ? *width : WidthOf(fd, environment),
          .utf8 = SaysUtf8(environment),
          .color = color == ColorWhen::kAlways || (color == ColorWhen::kAuto && wanted)};
}

std::string Paint(std::string_view text, Color color, bool enabled) {
  std::string painted(text);
  if (!enabled || color == Color::kNone || text.empty()) return painted;
  return absl::StrCat(CodeOf(color), painted, "\x1b[0m");
}

}  // namespace shmemd::client
