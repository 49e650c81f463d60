// Reads the names that callers give. Pure functions, any thread; the names are hostile.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shmemd::api {

// What a parent selects. No value: any ("-").
struct Scope {
  std::optional<std::string> backend_id;
  std::optional<uint8_t> shmid;
};

struct RegionId {
  std::string backend_id;
  uint8_t shmid = 0;
};

// All of them: InvalidArgument says what was expected and what came.

// "backends/{id}"
absl::StatusOr<std::string> ParseBackendName(std::string_view name);
// "backends/{id}/regions/{shmid}"
absl::StatusOr<RegionId> ParseRegionName(std::string_view name);
// "", "backends/-", "backends/{id}"
absl::StatusOr<Scope> ParseBackendParent(std::string_view parent);
// As above, and "backends/{id or -}/regions/{shmid or -}"
absl::StatusOr<Scope> ParseRegionParent(std::string_view parent);

}  // namespace shmemd::api
