#include "server/app/config_text.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include <vector>

namespace shmemd::app {
namespace {

// "0660, owner 107": of the sockets that a relay listens at.
std::string DescribeOwners(const state::BackendSpec& spec) {
  std::string text = absl::StrFormat("%04o", spec.socket_mode);
  if (spec.socket_owner >= 0) absl::StrAppend(&text, ", owner ", spec.socket_owner);
  if (spec.socket_group >= 0) absl::StrAppend(&text, ", group ", spec.socket_group);
  return text;
}

std::string DescribeChoices(const state::BackendSpec& spec) {
  return absl::StrCat("query ", state::QueryName(spec.query), ", guard ", state::GuardName(spec.guard),
                      ", on_backend_missing ", state::OnBackendMissingName(spec.on_backend_missing));
}

std::string DescribeSocket(const state::BackendSpec& spec, state::SocketRole role, const std::string& path,
                           const char* peer) {
  if (role == state::SocketRole::kConnect) return absl::StrCat("connects to the ", peer, " at ", path);
  return absl::StrCat("listens for the ", peer, " at ", path, " (", DescribeOwners(spec), ")");
}

// ", for users a, b and groups c": whom a Unix socket is for.
std::string DescribePeers(const std::vector<std::string>& users, const std::vector<std::string>& groups) {
  std::string text = users.empty() && groups.empty() ? "" : ", for";
  if (!users.empty()) absl::StrAppend(&text, " users ", absl::StrJoin(users, ", "));
  if (!users.empty() && !groups.empty()) absl::StrAppend(&text, " and");
  if (!groups.empty()) absl::StrAppend(&text, " groups ", absl::StrJoin(groups, ", "));
  return text;
}

// Whether with TLS is for who knows which addresses are loopback; here stands what was said.
std::string DescribePorts(const Config& config) {
  std::string text = absl::StrCat("api.listen       ", config.api_listen);
  if (config.api_listen != "off") {
    absl::StrAppend(&text, " (TLS ", config.api_listen_tls, ", for ",
                    config.api_listen_identities.empty() ? "every client certificate"
                                                         : absl::StrJoin(config.api_listen_identities, ", "),
                    ")");
  }
  absl::StrAppend(&text, "\napi.admin_listen ", config.api_admin_listen);
  if (config.api_admin_listen != "off") {
    absl::StrAppend(&text, " (TLS, for ", absl::StrJoin(config.api_admin_listen_identities, ", "), ")");
  }
  absl::StrAppend(&text, "\n");
  if (config.tls_certificate.empty()) return text;
  return absl::StrCat(text, "tls              certificate ", config.tls_certificate, ", key ", config.tls_key,
                      ", client CA ", config.tls_client_ca, ", read every ", config.tls_refresh_ms, " ms\n");
}

}  // namespace

std::string DescribeBackend(const state::BackendSpec& spec) {
  const std::string text = absl::StrCat(spec.id, ": ", state::ModeName(spec.mode), ", ");
  if (spec.mode != state::Mode::kRelay) return absl::StrCat(text, "connects to ", spec.backend_socket);
  return absl::StrCat(text, DescribeSocket(spec, spec.frontend_role, spec.frontend_socket, "VMM"), ", ",
                      DescribeSocket(spec, spec.backend_role, spec.backend_socket, "back-end"), ", ",
                      DescribeChoices(spec));
}

std::string DescribeConfig(const Config& config) {
  std::string text = absl::StrCat(
      "api.socket       ", config.ApiSocketPath(), " (", config.api_socket_mode,
      DescribePeers(config.api_socket_allow_uids, config.api_socket_allow_gids), ")\n", "api.admin_socket ",
      config.AdminSocketPath(), " (", config.api_admin_socket_mode,
      DescribePeers(config.api_admin_socket_allow_uids, config.api_admin_socket_allow_gids), ")\n",
      DescribePorts(config), "metrics.listen   ", config.metrics_listen, "\n", "state_dir        ",
      config.state_dir.empty() ? "off" : config.state_dir, "\n", "limits           ", config.max_backends,
      " back-ends, ", config.max_mappings, " mappings a back-end, windows up to ", config.max_window_bytes,
      " bytes, the last ", config.max_events, " events, ", config.max_watchers, " watchers\n",
      "                 ", config.max_connections, " connections a listener, ", config.max_streams,
      " calls on each, ", config.max_open_calls, " in all, ", config.max_calls_per_second,
      " a second, requests up to ", config.max_message_bytes, " bytes\n", "timeouts         connect ",
      config.connect_timeout_ms, " ms, query ", config.query_timeout_ms, " ms, shutdown ",
      config.shutdown_timeout_ms, " ms, handshake ", config.handshake_timeout_ms, " ms, idle ",
      config.idle_timeout_ms, " ms\n", "reconnect        ", config.reconnect_min_ms, " to ",
      config.reconnect_max_ms, " ms\n", "log.level        ", config.log_level, "\n");
  absl::StrAppend(&text, "relay            ", DescribeChoices(config.relay_defaults), ", sockets ",
                  DescribeOwners(config.relay_defaults), "\n");
  if (config.backends.empty()) absl::StrAppend(&text, "back-ends        none\n");
  for (const state::BackendSpec& backend : config.backends) {
    absl::StrAppend(&text, "back-end         ", DescribeBackend(backend), "\n");
  }
  return text;
}

}  // namespace shmemd::app
