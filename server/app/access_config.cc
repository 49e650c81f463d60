#include "server/app/access_config.h"

#include <absl/strings/str_cat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "server/app/setting_value.h"

namespace shmemd::app {
namespace {

absl::Status Named(const std::string& key, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", status.message()));
}

absl::Status AddNumbers(const std::string& key, const std::vector<std::string>& names,
                        absl::StatusOr<uint32_t> (*parse)(std::string_view), std::vector<uint32_t>& out) {
  for (const std::string& name : names) {
    const absl::StatusOr<uint32_t> number = parse(name);
    if (!number.ok()) return Named(key, number.status());
    out.push_back(*number);
  }
  return absl::OkStatus();
}

absl::Status AddPeers(const std::string& socket, const std::vector<std::string>& users,
                      const std::vector<std::string>& groups, api::PeerList& out) {
  absl::Status status = AddNumbers(socket + "_allow_uids", users, ParseUser, out.uids);
  return status.ok() ? AddNumbers(socket + "_allow_gids", groups, ParseGroup, out.gids) : status;
}

absl::Status AddIdentities(const std::string& key, const std::vector<std::string>& names,
                           api::IdentityList& out) {
  absl::StatusOr<api::IdentityList> list = api::IdentityList::Parse(names);
  if (!list.ok()) return Named(key, list.status());
  out = *std::move(list);
  return absl::OkStatus();
}

api::ApiLimits LimitsOf(const Config& config) {
  api::ApiLimits limits;
  limits.max_connections = static_cast<size_t>(config.max_connections);
  limits.calls.max_streams = static_cast<int>(config.max_streams);
  limits.max_message_bytes = static_cast<int>(config.max_message_bytes);
  limits.handshake = std::chrono::milliseconds(config.handshake_timeout_ms);
  limits.max_idle = std::chrono::milliseconds(config.idle_timeout_ms);
  limits.calls.max_calls_per_second = config.max_calls_per_second;
  limits.calls.max_open_calls = config.max_open_calls;
  return limits;
}

}  // namespace

absl::Status AddAccess(const Config& config, api::ApiConfig& api) {
  absl::Status status =
      AddPeers("api.socket", config.api_socket_allow_uids, config.api_socket_allow_gids, api.socket.peers);
  if (status.ok()) {
    status = AddPeers("api.admin_socket", config.api_admin_socket_allow_uids,
                      config.api_admin_socket_allow_gids, api.admin_socket.peers);
  }
  if (status.ok() && !config.api_listen_identities.empty()) {
    status = AddIdentities("api.listen_identities", config.api_listen_identities, api.listen_identities);
  }
  if (status.ok()) {
    status = AddIdentities("api.admin_listen_identities", config.api_admin_listen_identities,
                           api.admin_listen_identities);
  }
  if (!status.ok()) return status;
  if (config.api_listen != "off") api.listen = config.api_listen;
  if (config.api_admin_listen != "off") api.admin_listen = config.api_admin_listen;
  api.listen_tls = config.api_listen_tls == "on";
  if (!config.tls_certificate.empty()) {
    api.tls = {{config.tls_certificate, config.tls_key, config.tls_client_ca},
               std::chrono::milliseconds(config.tls_refresh_ms)};
  }
  api.limits = LimitsOf(config);
  return absl::OkStatus();
}

std::vector<std::string> AccessWarnings(const api::ApiConfig& api) {
  const uid_t uid = geteuid();
  const api::PeerCredentials self{0, uid, getegid(), {}};
  std::vector<std::string> warnings;
  if (!api.admin_socket.path.empty() && !api.admin_socket.peers.Admits(self)) {
    warnings.push_back(absl::StrCat("api.admin_socket_allow_uids does not have uid ", uid,
                                    ", which shmemd runs as: shmemctl as that user is refused"));
  }
  return warnings;
}

}  // namespace shmemd::app
