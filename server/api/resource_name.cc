#include "server/api/resource_name.h"

#include <absl/strings/escaping.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include <vector>

#include "server/state/backend_spec.h"

namespace shmemd::api {
namespace {

// Room for every name that is right, and for showing one that is wrong.
constexpr size_t kMaxNameBytes = 128;

absl::Status Malformed(std::string_view what, const char* expected, std::string_view got) {
  const absl::string_view shown(got.data(), std::min(got.size(), kMaxNameBytes));
  return absl::InvalidArgumentError(absl::StrCat(absl::string_view(what.data(), what.size()), ": expected ",
                                                 expected, ", got \"", absl::CHexEscape(shown), "\"",
                                                 shown.size() < got.size() ? "..." : ""));
}

std::vector<std::string> Segments(std::string_view name) {
  if (name.size() > kMaxNameBytes) return {};
  return absl::StrSplit(absl::string_view(name.data(), name.size()), '/');
}

// Canonical decimal only: a resource has one name.
std::optional<uint8_t> ParseShmid(const std::string& text) {
  uint32_t value = 0;
  if (text.size() > 3 || !absl::SimpleAtoi(text, &value) || value > 255) return std::nullopt;
  if (absl::StrCat(value) != text) return std::nullopt;
  return static_cast<uint8_t>(value);
}

bool IsBackendSegment(const std::vector<std::string>& segments, bool or_any) {
  return segments.size() >= 2 && segments[0] == "backends" &&
         (state::IsValidBackendId(segments[1]) || (or_any && segments[1] == "-"));
}

std::optional<std::string> ValueUnlessAny(const std::string& segment) {
  if (segment == "-") return std::nullopt;
  return segment;
}

}  // namespace

absl::StatusOr<std::string> ParseBackendName(std::string_view name) {
  const std::vector<std::string> segments = Segments(name);
  if (segments.size() != 2 || !IsBackendSegment(segments, false))
    return Malformed("name", "backends/{id}", name);
  return segments[1];
}

absl::StatusOr<RegionId> ParseRegionName(std::string_view name) {
  constexpr const char* kForm = "backends/{id}/regions/{shmid}, shmid 0 to 255";
  const std::vector<std::string> segments = Segments(name);
  if (segments.size() != 4 || !IsBackendSegment(segments, false) || segments[2] != "regions") {
    return Malformed("name", kForm, name);
  }
  const std::optional<uint8_t> shmid = ParseShmid(segments[3]);
  if (!shmid) return Malformed("name", kForm, name);
  return RegionId{segments[1], *shmid};
}

absl::StatusOr<Scope> ParseBackendParent(std::string_view parent) {
  if (parent.empty()) return Scope{};
  const std::vector<std::string> segments = Segments(parent);
  if (segments.size() != 2 || !IsBackendSegment(segments, true)) {
    return Malformed("parent", "backends/{id}, backends/- or nothing", parent);
  }
  return Scope{ValueUnlessAny(segments[1]), std::nullopt};
}

absl::StatusOr<Scope> ParseRegionParent(std::string_view parent) {
  constexpr const char* kForm = "backends/{id or -}/regions/{shmid or -}, backends/{id or -} or nothing";
  const std::vector<std::string> segments = Segments(parent);
  if (parent.empty() || segments.size() == 2) {
    absl::StatusOr<Scope> scope = ParseBackendParent(parent);
    return scope.ok() ? scope : Malformed("parent", kForm, parent);
  }
  if (segments.size() != 4 || !IsBackendSegment(segments, true) || segments[2] != "regions") {
    return Malformed("parent", kForm, parent);
  }
  Scope scope{ValueUnlessAny(segments[1]), std::nullopt};
  if (segments[3] == "-") return scope;
  scope.shmid = ParseShmid(segments[3]);
  if (!scope.shmid) return Malformed("parent", kForm, parent);
  return scope;
}

}  // namespace shmemd::api
