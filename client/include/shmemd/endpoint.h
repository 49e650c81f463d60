// Where a shmemd is asked: a Unix socket, or an address. A value.
#pragma once

#include <absl/status/statusor.h>

#include <string>
#include <string_view>

namespace shmemd::client {

// Where a shmemd serves that was not told otherwise: reading, and reading and changing.
inline constexpr char kApiSocket[] = "/run/shmemd/api.sock";
inline constexpr char kAdminSocket[] = "/run/shmemd/admin.sock";

struct Endpoint {
  std::string path = {};     // of a Unix socket; empty for an address
  std::string address = {};  // "host:port"; empty for a socket

  // As people write it: "unix:/run/shmemd/api.sock", "127.0.0.1:18045".
  std::string text() const;
  bool operator==(const Endpoint&) const = default;
};

// Reads "unix:PATH", "unix://PATH", "/path", "./path" and "host:port". InvalidArgument says what is wrong
// with anything else.
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);

}  // namespace shmemd::client
