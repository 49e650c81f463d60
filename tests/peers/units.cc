#include "tests/peers/units.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <utility>

namespace shmemd::peers {
namespace {

std::optional<uint64_t> ParseNumber(std::string_view text) {
  int base = 10;
  if (text.substr(0, 2) == "0x") {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Takes `unit` off the end of `text`.
bool Strip(std::string_view& text, std::string_view unit) {
  if (text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) return false;
  text.remove_suffix(unit.size());
  return true;
}

constexpr std::array<std::pair<std::string_view, int>, 12> kErrnos = {{
    {"EPERM", EPERM},
    {"ENOENT", ENOENT},
    {"ENXIO", ENXIO},
    {"EBADF", EBADF},
    {"EAGAIN", EAGAIN},
    {"ENOMEM", ENOMEM},
    {"EACCES", EACCES},
    {"EEXIST", EEXIST},
    {"ENODEV", ENODEV},
    {"EINVAL", EINVAL},
    {"ENOSYS", ENOSYS},
    {"EOVERFLOW", EOVERFLOW},
}};

}  // namespace

std::string Hex(uint64_t value) {
  std::array<char, 16> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16);
  std::string text = "0x";
  text.append(digits.data(), result.ptr);
  return text;
}

std::optional<uint64_t> ParseBytes(std::string_view text) {
  int shift = 0;
  constexpr std::array<std::pair<std::string_view, int>, 4> kUnits = {
      {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}}};
  for (const auto& [unit, unit_shift] : kUnits) {
    if (!Strip(text, unit)) continue;
    shift = unit_shift;
    break;
  }
  const auto value = ParseNumber(text);
  if (!value || *value > (std::numeric_limits<uint64_t>::max() >> shift)) return std::nullopt;
  return *value << shift;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, uint64_t>, 3> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60000}}};
  constexpr uint64_t kMaxValue = 1000000;
  for (const auto& [unit, milliseconds] : kUnits) {
    if (!Strip(text, unit)) continue;
    const auto value = ParseNumber(text);
    if (!value || *value > kMaxValue) return std::nullopt;
    return std::chrono::milliseconds(*value * milliseconds);
  }
  return std::nullopt;
}

std::optional<int> ParseErrno(std::string_view text) {
  for (const auto& [name, value] : kErrnos) {
    if (name == text) return value;
  }
  const auto value = ParseNumber(text);
  if (!value || *value == 0 || *value > 4095) return std::nullopt;
  return static_cast<int>(*value);
}

std::string ErrnoName(int error) {
  for (const auto& [name, value] : kErrnos) {
    if (value == error) return std::string(name);
  }
  return "";
}

}  // namespace shmemd::peers
