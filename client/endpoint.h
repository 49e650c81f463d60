// Where shmemd is asked: a Unix socket or an address, and who said so.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <string_view>

#include "client/terminal.h"

namespace shmemd::client {

// What a command needs: to read, or to change something.
enum class Role { kInspector, kAdmin };

struct Endpoint {
  std::string path;     // of a Unix socket; empty for an address
  std::string address;  // "host:port"; empty for a socket
  std::string origin;   // "--endpoint", "SHMEMD_ENDPOINT", "default"

  // As users write it: "unix:/run/shmemd/api.sock", "127.0.0.1:18045".
  std::string text() const;
};

inline constexpr char kApiSocket[] = "/run/shmemd/api.sock";
inline constexpr char kAdminSocket[] = "/run/shmemd/admin.sock";

// The flag, else SHMEMD_ENDPOINT, else the default socket of the role. "unix:PATH", "unix://PATH", "/path"
// and "host:port" are understood; InvalidArgument says what is wrong with anything else.
absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view flag, Role role, const Environment& environment);

// A channel without TLS (Unix sockets, loopback) that connects with the first call and asks no proxy.
std::shared_ptr<grpc::Channel> MakeChannel(const Endpoint& endpoint);

// Why nobody can be reached at a Unix socket, in words, by trying it: missing, nobody listens, no permission
// (with the group that has it). Empty where it can be connected to, and for addresses.
std::string DiagnoseEndpoint(const Endpoint& endpoint);

}  // namespace shmemd::client
