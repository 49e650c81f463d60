// What users type to name things ("gpu0", "gpu0/2") and what the API calls them ("backends/gpu0/regions/2").
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>

namespace shmemd::client {

// A back-end, all its regions, or one of them. An empty back-end stands for all.
struct Target {
  std::string backend;
  std::optional<int> shmid;

  bool operator==(const Target&) const = default;
};

// Reads "", "gpu0", "gpu0/2" and the API's own names. InvalidArgument says what was expected.
absl::StatusOr<Target> ParseTarget(std::string_view text);

// "backends/-", "backends/gpu0".
std::string BackendName(const Target& target);

// As BackendName, or "backends/gpu0/regions/2" where there is a shmid.
std::string RegionName(const Target& target);

// "backends/gpu0/regions/2/mappings/0x1000" -> "gpu0", "gpu0/2", "gpu0/2/0x1000": what users type. Other text
// as it is.
std::string ShortName(std::string_view name);

// The back-end's id in any resource name of the API; other text as it is.
std::string BackendId(std::string_view name);

}  // namespace shmemd::client
