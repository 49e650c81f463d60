// What the output can show: width, characters, colours. Decided once, at the start, from descriptor and
// environment.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace shmemd::client {

enum class ColorWhen { kAuto, kAlways, kNever };

enum class Color { kNone, kRed, kGreen, kYellow, kBlue, kDim, kBold };

struct Terminal {
  int width = 0;  // columns; 0: no limit
  bool utf8 = false;
  bool color = false;

  bool operator==(const Terminal&) const = default;
};

// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::string(const char* name)>;
std::string ProcessEnvironment(const char* name);

// Width: `width` if given, else COLUMNS, else the terminal's own, else no limit. Colours by default only on a
// terminal, and neither with NO_COLOR nor with TERM=dumb. UTF-8 where LC_ALL, LC_CTYPE or LANG (the first
// that is set) says so.
Terminal DetectTerminal(int fd, ColorWhen color, std::optional<int> width, const Environment& environment);

// The text in a colour; as it is for kNone, or where there are no colours.
std::string Paint(std::string_view text, Color color, bool enabled);

}  // namespace shmemd::client
