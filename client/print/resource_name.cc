#include "client/print/resource_name.h"

#include <absl/status/status.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <vector>

namespace shmemd::client {
namespace {

constexpr int kMaxShmid = 255;
constexpr size_t kMaxIdLength = 63;

// Runs of text between slashes.
std::vector<std::string_view> Segments(std::string_view text) {
  std::vector<std::string_view> segments;
  while (true) {
    const size_t slash = text.find('/');
    segments.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    text.remove_prefix(slash + 1);
  }
}

bool IsAlphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// [a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?
bool IsBackendId(std::string_view id) {
  if (id.empty() || id.size() > kMaxIdLength) return false;
  if (!IsAlphanumeric(id.front()) || !IsAlphanumeric(id.back())) return false;
  return std::all_of(id.begin(), id.end(), [](char c) { return IsAlphanumeric(c) || c == '-' || c == '.'; });
}

// "backends/x/regions/2/mappings/0x0" -> {"x", "2", "0x0"}; text of another form -> its segments unchanged.
std::vector<std::string_view> WithoutCollections(std::string_view name) {
  std::vector<std::string_view> segments = Segments(name);
  if (segments.size() < 2 || segments[0] != "backends") return segments;
  std::vector<std::string_view> ids;
  for (size_t i = 1; i < segments.size(); i += 2) ids.push_back(segments[i]);
  return ids;
}

}  // namespace

absl::StatusOr<Target> ParseTarget(std::string_view text) {
  Target target;
  if (text.empty()) return target;
  const std::vector<std::string_view> ids = WithoutCollections(text);
  if (ids.size() > 2 || (ids[0] != "-" && !IsBackendId(ids[0]))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "expected BACKEND or BACKEND/SHMID such as gpu0 or gpu0/2, got \"", std::string(text), "\""));
  }
  if (ids[0] != "-") target.backend = std::string(ids[0]);
  if (ids.size() == 1) return target;
  int shmid = 0;
  if (!absl::SimpleAtoi(std::string(ids[1]), &shmid) || shmid < 0 || shmid > kMaxShmid) {
    return absl::InvalidArgumentError(absl::StrCat("a shmid is a number from 0 to ", kMaxShmid, ", got \"",
                                                   std::string(ids[1]), "\" in \"", std::string(text), "\""));
  }
  target.shmid = shmid;
  return target;
}

std::string BackendName(const Target& target) {
  return absl::StrCat("backends/", target.backend.empty() ? "-" : target.backend);
}

std::string RegionName(const Target& target) {
  const std::string backend = BackendName(target);
  return target.shmid.has_value() ? absl::StrCat(backend, "/regions/", *target.shmid) : backend;
}

std::string ShortName(std::string_view name) {
  std::string text;
  for (const std::string_view id : WithoutCollections(name)) {
    if (!text.empty()) text += '/';
    text += id;
  }
  return text;
}

std::string BackendId(std::string_view name) { return std::string(WithoutCollections(name)[0]); }

}  // namespace shmemd::client
