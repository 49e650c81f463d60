// Which shmemd a command asks, and who said so.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>
#include <string_view>

#include "client/print/terminal.h"
#include "shmemd/client.h"

namespace shmemd::shmemctl {

// What a command needs: to read, or to change something.
enum class Role { kInspector, kAdmin };

struct ChosenEndpoint : client::Endpoint {
  std::string origin;  // "--endpoint", "SHMEMD_ENDPOINT", "fleet.txt:3", "default"
  bool tls = false;    // whether it is asked with TLS
};

// The flag, else SHMEMD_ENDPOINT, else the default socket of the role. InvalidArgument names who said what
// cannot be read.
absl::StatusOr<ChosenEndpoint> ChooseEndpoint(std::string_view flag, Role role,
                                              const client::Environment& environment);

// An endpoint that somebody named. InvalidArgument says who.
absl::StatusOr<ChosenEndpoint> ReadEndpoint(std::string_view text, const std::string& origin);

// What is not in `flags` comes from SHMEMD_CA, SHMEMD_CERT, SHMEMD_KEY and SHMEMD_SERVER_NAME. nullopt: no
// TLS, because nothing is said, or only the environment says it and a Unix socket is asked. InvalidArgument
// for flags that do not go with the endpoint, or one without the other.
absl::StatusOr<std::optional<client::TlsFiles>> ChooseTls(const client::TlsFiles& flags,
                                                          const client::Endpoint& endpoint,
                                                          const client::Environment& environment);

// Why nobody can be reached at a Unix socket, in words, by trying it: missing, nobody listens, no permission
// (with the group that has it). Empty where it can be connected to, and for addresses.
std::string DiagnoseEndpoint(const client::Endpoint& endpoint);

}  // namespace shmemd::shmemctl
