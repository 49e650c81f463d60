#include "client/print/text.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace shmemd::client {
namespace {

struct CodePoint {
  uint32_t value = 0;
  size_t length = 1;   // bytes
  bool valid = false;  // false: one byte that is no UTF-8
};

using Range = std::pair<uint32_t, uint32_t>;

constexpr std::array<Range, 7> kZeroWidth = {{{0x300, 0x36f},
                                              {0x483, 0x489},
                                              {0x591, 0x5bd},
                                              {0x200b, 0x200f},
                                              {0x20d0, 0x20ff},
                                              {0xfe00, 0xfe0f},
                                              {0xfe20, 0xfe2f}}};
constexpr std::array<Range, 12> kDoubleWidth = {{{0x1100, 0x115f},
                                                 {0x2e80, 0x303e},
                                                 {0x3041, 0x33ff},
                                                 {0x3400, 0x4dbf},
                                                 {0x4e00, 0xa4cf},
                                                 {0xac00, 0xd7a3},
                                                 {0xf900, 0xfaff},
                                                 {0xfe30, 0xfe6f},
                                                 {0xff00, 0xff60},
                                                 {0xffe0, 0xffe6},
                                                 {0x1f300, 0x1faff},
                                                 {0x20000, 0x3fffd}}};

template <size_t kSize>
bool Contains(const std::array<Range, kSize>& ranges, uint32_t value) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [value](const Range& range) { return range.first <= value && value <= range.second; });
}

// Length of a sequence by its first byte; 0: no first byte.
size_t SequenceLength(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 0;
}

CodePoint Next(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const size_t length = SequenceLength(first);
  if (length == 0 || length > text.size()) return {first, 1, false};
  uint32_t value = length == 1 ? first : first & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0) != 0x80) return {first, 1, false};
    value = (value << 6) | (byte & 0x3f);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {first, 1, false};
  return {value, length, true};
}

int WidthOf(const CodePoint& point) {
  if (!point.valid) return 1;
  if (Contains(kZeroWidth, point.value)) return 0;
  return Contains(kDoubleWidth, point.value) ? 2 : 1;
}

// C0, DEL, C1, and the marks that turn the direction of writing.
bool IsControl(const CodePoint& point) {
  const uint32_t value = point.value;
  return value < 0x20 || (value >= 0x7f && value < 0xa0) || (value >= 0x2028 && value <= 0x202e) ||
         (value >= 0x2066 && value <= 0x2069);
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const CodePoint point = Next(text);
    width += WidthOf(point);
    text.remove_prefix(point.length);
  }
  return width;
}

std::string Truncate(std::string_view text, int width, bool utf8) {
  if (DisplayWidth(text) <= width) return std::string(text);
  if (width <= 0) return "";
  std::string kept;
  int used = 0;
  while (!text.empty()) {
    const CodePoint point = Next(text);
    if (used + WidthOf(point) > width - 1) break;
    used += WidthOf(point);
    kept += text.substr(0, point.length);
    text.remove_prefix(point.length);
  }
  return kept += utf8 ? "…" : "~";
}

std::string Printable(std::string_view text, bool utf8) {
  std::string harmless;
  while (!text.empty()) {
    const CodePoint point = Next(text);
    if (!point.valid || IsControl(point)) {
      for (const char byte : text.substr(0, point.length)) {
        absl::StrAppendFormat(&harmless, "\\x%02x", static_cast<unsigned char>(byte));
      }
    } else if (point.length > 1 && !utf8) {
      harmless += '?';
    } else {
      harmless += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  return harmless;
}

std::string Wrapped(std::string_view lead, std::string_view text, int width) {
  const int margin = DisplayWidth(lead);
  std::string lines(lead);
  int column = margin;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    const int size = DisplayWidth(word);
    if (width > 0 && column > margin && column + 1 + size > width) {
      absl::StrAppend(&lines, "\n", std::string(static_cast<size_t>(margin), ' '));
      column = margin;
    }
    if (column > margin) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += size;
  }
  return lines += '\n';
}

std::string PadRight(std::string_view text, int width) {
  std::string padded(text);
  padded.append(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
  return padded;
}

std::string PadLeft(std::string_view text, int width) {
  std::string padded(static_cast<size_t>(std::max(0, width - DisplayWidth(text))), ' ');
  padded += text;
  return padded;
}

int EditDistance(std::string_view from, std::string_view to) {
  std::vector<std::vector<int>> cost(from.size() + 1, std::vector<int>(to.size() + 1));
  for (size_t i = 0; i <= from.size(); ++i) cost[i][0] = static_cast<int>(i);
  for (size_t j = 0; j <= to.size(); ++j) cost[0][j] = static_cast<int>(j);
  for (size_t i = 1; i <= from.size(); ++i) {
    for (size_t j = 1; j <= to.size(); ++j) {
      const int replace = cost[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      cost[i][j] = std::min({replace, cost[i - 1][j] + 1, cost[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[from.size()][to.size()];
}

}  // namespace shmemd::client
