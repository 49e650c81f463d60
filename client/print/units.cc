#include "client/print/units.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <array>
#include <ctime>

namespace shmemd::client {
namespace {

constexpr std::array<const char*, 7> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

}  // namespace

std::string FormatBytes(int64_t bytes, bool plain) {
  if (plain || bytes < 1024) return plain ? absl::StrCat(bytes) : absl::StrCat(bytes, " B");
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  // 1023.5 would be printed as 1024 of the smaller unit.
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::string digits = value < 99.95 ? absl::StrFormat("%.1f", value) : absl::StrFormat("%.0f", value);
  if (value >= 9.95 && digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return absl::StrCat(digits, " ", kUnits[unit]);
}

std::string FormatHex(int64_t value) { return absl::StrCat("0x", absl::Hex(static_cast<uint64_t>(value))); }

std::string FormatShare(int64_t part, int64_t whole) {
  if (whole <= 0) return "-";
  if (part <= 0) return "0 %";
  if (part >= whole)
    return absl::StrFormat("%.0f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  int percent = static_cast<int>(100.0 * static_cast<double>(part) / static_cast<double>(whole));
  if (percent >= 100) percent = 99;
  return percent == 0 ? "<1 %" : absl::StrCat(percent, " %");
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  const std::time_t seconds = time.seconds();
  std::tm utc = {};
  if (gmtime_r(&seconds, &utc) == nullptr) return absl::StrCat(time.seconds());
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                         utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string FormatDuration(const google::protobuf::Duration& duration) {
  const double ns = static_cast<double>(duration.seconds()) * 1e9 + duration.nanos();
  if (ns < 1e3) return absl::StrFormat("%.0f ns", ns);
  if (ns < 1e6) return absl::StrFormat("%.0f us", ns / 1e3);
  if (ns < 1e9) return absl::StrFormat("%.1f ms", ns / 1e6);
  return absl::StrFormat("%.1f s", ns / 1e9);
}

}  // namespace shmemd::client
