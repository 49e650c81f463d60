#include "server/web/text.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace shmemd::web {
namespace {

constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
constexpr int64_t kSecondNs = 1'000'000'000;

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

std::string HexByte(char c) {
  return absl::StrFormat("%02X", static_cast<unsigned>(static_cast<uint8_t>(c)));
}

void AppendEscaped(std::string& out, char c) {
  switch (c) {
    case '&':
      out += "&amp;";
      return;
    case '<':
      out += "&lt;";
      return;
    case '>':
      out += "&gt;";
      return;
    case '"':
      out += "&quot;";
      return;
    case '\'':
      out += "&#39;";
      return;
    default:
      break;
  }
  if (c >= ' ' && c <= '~') {
    out += c;
  } else {
    absl::StrAppend(&out, "\\x", HexByte(c));
  }
}

}  // namespace

std::string Escaped(std::string_view text, size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  for (const char c : text.substr(0, max_bytes)) AppendEscaped(out, c);
  if (text.size() > max_bytes) out += "&hellip;";
  return out;
}

std::string Slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (IsPlain(c)) {
      out += c;
    } else {
      absl::StrAppend(&out, "_", HexByte(c));
    }
  }
  return out;
}

std::string Bytes(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 1023.5 would be written as 1024 of the smaller unit.
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::string digits = value < 99.95 ? absl::StrFormat("%.1f", value) : absl::StrFormat("%.0f", value);
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return absl::StrCat(digits, " ", kUnits[unit]);
}

std::string Hex(uint64_t value) { return absl::StrCat("0x", absl::Hex(value)); }

std::string Count(uint64_t count) {
  std::string text = absl::StrCat(count);
  for (size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string Counted(uint64_t count, std::string_view noun) {
  std::string text = Count(count);
  text.append(" ").append(noun);
  if (count != 1) text += 's';
  return text;
}

int Percent(uint64_t part, uint64_t whole) {
  if (whole == 0 || part == 0) return 0;
  if (part >= whole) return 100;
  const auto percent = static_cast<int>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return std::clamp(percent, 1, 99);
}

std::string TimeOfDay(int64_t wall_ns) {
  const auto seconds = static_cast<std::time_t>(wall_ns / kSecondNs);
  std::tm utc{};
  if (gmtime_r(&seconds, &utc) == nullptr) return absl::StrCat(seconds);
  const std::string day = absl::StrFormat("%04d-%02d-%02d", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
  const std::string time = absl::StrFormat("%02d:%02d:%02d", utc.tm_hour, utc.tm_min, utc.tm_sec);
  return absl::StrCat("<time datetime=\"", day, "T", time, "Z\" title=\"", day, " ", time, " UTC\">", time,
                      "</time>");
}

}  // namespace shmemd::web
