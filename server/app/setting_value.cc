#include "server/app/setting_value.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "server/base/socket_path.h"

namespace shmemd::app {
namespace {

struct Unit {
  std::string_view name;
  int64_t factor;
};

// A number followed by one of `units`.
absl::StatusOr<int64_t> ParseWithUnit(std::string_view text, const std::vector<Unit>& units,
                                      std::string_view expected) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) ++digits;
  int64_t number = 0;
  if (!absl::SimpleAtoi(View(text.substr(0, digits)), &number)) return Expected(expected, text);
  std::string_view unit = text.substr(digits);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const auto found = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == unit; });
  if (found == units.end() || number > std::numeric_limits<int64_t>::max() / found->factor) {
    return Expected(expected, text);
  }
  return number * found->factor;
}

// `lookup` gives the number of a name.
template <typename Lookup>
absl::StatusOr<uint32_t> ParseOwner(std::string_view text, Lookup lookup) {
  if (text.empty()) return Expected("a name or number", text);
  uint32_t number = 0;
  // The largest number means "as it is" to chown.
  if (absl::SimpleAtoi(View(text), &number) && number != std::numeric_limits<uint32_t>::max()) return number;
  const std::optional<uint32_t> found = lookup(std::string(text));
  if (!found) return absl::InvalidArgumentError(absl::StrCat("there is no '", View(text), "' on this host"));
  return *found;
}

std::optional<uint32_t> UserId(const std::string& name) {
  const passwd* entry = getpwnam(name.c_str());
  return entry != nullptr ? std::optional<uint32_t>(entry->pw_uid) : std::nullopt;
}

std::optional<uint32_t> GroupId(const std::string& name) {
  const group* entry = getgrnam(name.c_str());
  return entry != nullptr ? std::optional<uint32_t>(entry->gr_gid) : std::nullopt;
}

}  // namespace

std::string Shortened(std::string_view text) {
  if (text.size() <= kMostShownBytes) return std::string(text);
  size_t bytes = kMostShownBytes;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;  // no half letter
  return absl::StrCat(View(text.substr(0, bytes)), "...");
}

absl::Status Expected(std::string_view expected, std::string_view got) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", View(expected), ", got '", Shortened(got), "'"));
}

absl::StatusOr<int64_t> ParseDurationMs(std::string_view text) {
  return ParseWithUnit(text, {{"ms", 1}, {"s", 1000}, {"m", 60'000}}, "a duration such as 250ms, 5s or 2m");
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  constexpr int64_t kKi = 1024;
  return ParseWithUnit(text,
                       {{"", 1},
                        {"B", 1},
                        {"KiB", kKi},
                        {"MiB", kKi * kKi},
                        {"GiB", kKi * kKi * kKi},
                        {"TiB", kKi * kKi * kKi * kKi}},
                       "a size such as 4096, 64MiB or 1TiB");
}

absl::StatusOr<uint32_t> ParseFileMode(std::string_view text) {
  const bool octal = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
  if (!octal || text.size() < 3 || text.size() > 4 || (text.size() == 4 && text[0] != '0'))
    return Expected("an octal file mode such as 0660", text);
  return static_cast<uint32_t>(std::strtoul(std::string(text).c_str(), nullptr, 8));
}

absl::StatusOr<uint32_t> ParseUser(std::string_view text) { return ParseOwner(text, UserId); }
absl::StatusOr<uint32_t> ParseGroup(std::string_view text) { return ParseOwner(text, GroupId); }

absl::Status CheckSocketPath(std::string_view path) {
  if (!path.starts_with('/')) return Expected("the absolute path of a socket", path);
  if (path.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("expected the path of a socket without a zero byte in it");
  if (path.size() > base::kMaxSocketPathBytes) {
    return absl::InvalidArgumentError(absl::StrCat("expected a socket path of at most ",
                                                   base::kMaxSocketPathBytes, " bytes, got one of ",
                                                   path.size(), ": '", Shortened(path), "'"));
  }
  return absl::OkStatus();
}

}  // namespace shmemd::app
