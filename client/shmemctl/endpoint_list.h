// Endpoints that a file names. Pure functions but for the reading.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <vector>

namespace shmemd::shmemctl {

// What is asked, and who said so: "--endpoint", "fleet.txt:3".
struct NamedEndpoint {
  std::string text;
  std::string origin;

  bool operator==(const NamedEndpoint&) const = default;
};

// One endpoint a line; blanks around it, empty lines and what follows a "#" (at the begin or after a blank)
// are left out. `name` is what
// origins and errors call the text.
std::vector<NamedEndpoint> ParseEndpointList(std::string_view text, const std::string& name);

// Reads the file; "-" is standard input. InvalidArgument where it cannot be read, is larger than 1 MiB or
// names nothing.
absl::StatusOr<std::vector<NamedEndpoint>> ReadEndpointList(const std::string& path);

}  // namespace shmemd::shmemctl
