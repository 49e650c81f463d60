// What shmemd is told to do: a file, flags, or both. Every setting is one row of the setting table, which
// makes the keys of the file, the flags and the reference.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/app/relay_keys.h"
#include "server/app/socket_use.h"
#include "server/state/backend_spec.h"

namespace shmemd::app {

struct Config {
  std::string run_dir = "/run/shmemd";
  std::string api_socket;  // empty: api.sock in run_dir
  std::string api_socket_mode = "0660";
  std::string api_socket_owner;  // empty: as created
  std::string api_socket_group;  // empty: as created
  std::string api_admin_socket;  // empty: admin.sock in run_dir
  std::string api_admin_socket_mode = "0600";
  std::string api_admin_socket_owner;
  std::string api_admin_socket_group;
  std::vector<std::string> api_socket_allow_uids;  // names or numbers; with gids empty, too: the mode decides
  std::vector<std::string> api_socket_allow_gids;
  std::vector<std::string> api_admin_socket_allow_uids;
  std::vector<std::string> api_admin_socket_allow_gids;
  std::string api_listen = "off";
  std::string api_listen_tls = "auto";
  std::vector<std::string> api_listen_identities;  // empty: every client certificate
  std::string api_admin_listen = "off";
  std::vector<std::string> api_admin_listen_identities;
  std::string tls_certificate;  // all three, or none
  std::string tls_key;
  std::string tls_client_ca;
  int64_t tls_refresh_ms = 10'000;
  std::string metrics_listen = "127.0.0.1:18044";
  std::string metrics_page = "on";
  std::string state_dir;  // empty: what is attached by RPC is forgotten
  int64_t max_backends = 1024;
  int64_t max_mappings = 1024;
  int64_t max_window_bytes = int64_t{1} << 40;
  int64_t max_events = 4096;
  int64_t max_watchers = 1024;
  int64_t max_connections = 1024;
  int64_t max_streams = 100;
  int64_t max_message_bytes = int64_t{64} * 1024;
  int64_t max_open_calls = 4096;
  int64_t max_calls_per_second = 10'000;
  int64_t connect_timeout_ms = 5000;
  int64_t query_timeout_ms = 5000;
  int64_t reconnect_min_ms = 100;
  int64_t reconnect_max_ms = 5000;
  int64_t shutdown_timeout_ms = 5000;
  int64_t handshake_timeout_ms = 10'000;
  int64_t idle_timeout_ms = int64_t{15} * 60'000;
  std::string log_level = "info";
  state::BackendSpec relay_defaults = PlainRelay();  // what a relay entry starts from
  std::vector<state::BackendSpec> backends;
  SocketUse sockets;                         // of `backends`
  std::map<std::string, std::string> given;  // settings that were said, by key, as they were said

  std::string ApiSocketPath() const;
  std::string AdminSocketPath() const;
  bool operator==(const Config&) const = default;
};

// One setting: a key of the file and a flag.
struct Setting {
  std::string_view key;    // "api.socket_mode"; the flag is "--api-socket-mode", unless short_flag says it
  std::string_view value;  // what the value is, for the help: "PATH", "DURATION", ...
  std::string_view fallback;
  std::string_view help;
  // InvalidArgument says what was expected and got, without naming key or place.
  std::function<absl::Status(Config&, const std::string&)> set;
  std::string_view short_flag = {};
  bool is_list = false;  // comes with commas; in the file as a list, too

  std::string flag() const;
};
const std::vector<Setting>& Settings();

// Makes the setting, and takes note that it was said.
absl::Status ApplySetting(const Setting& setting, const std::string& text, Config& config);
// The keys of settings that differ, but for those of relay entries, which are made of them when they are
// read.
std::vector<std::string> ChangedSettings(const Config& before, const Config& after);

// What is wrong with a back-end by itself: its id, or a path that cannot be a socket's.
struct SpecProblem {
  std::string field;  // of BackendSpec
  absl::Status status;
};
std::optional<SpecProblem> FindProblem(const state::BackendSpec& spec);
// No back-end is where we serve. InvalidArgument names both.
absl::Status CheckApart(const Config& config, const state::BackendSpec& backend);

// Adds a back-end. InvalidArgument for an id that is no id or is there already, for a path that cannot be a
// socket's, and for a socket that has another use.
absl::Status AddBackend(Config& config, state::BackendSpec spec);
// "ID=CONNECT", the short form of a flag; in mode relay "ID=LISTEN,CONNECT", with the settings as they are
// now.
absl::Status AddBackendByFlag(Config& config, state::Mode mode, std::string_view text);

// What no single setting can judge. InvalidArgument says which settings do not go together.
absl::Status Validate(const Config& config);

}  // namespace shmemd::app
