#include "server/app/config.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <array>
#include <utility>

#include "server/app/setting_value.h"
#include "server/base/socket_path.h"

namespace shmemd::app {
namespace {

constexpr const char* kUsers = "users, names or numbers, with commas";
constexpr const char* kGroups = "groups, names or numbers, with commas";
constexpr const char* kNames = "names with commas";

using Setter = std::function<absl::Status(Config&, const std::string&)>;

Setter Path(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (!text.starts_with('/')) return Expected("an absolute path", text);
    if (text.size() > base::kMaxSocketPathBytes) {
      return Expected(absl::StrCat("a path of at most ", base::kMaxSocketPathBytes, " bytes"), text);
    }
    config.*field = text;
    return absl::OkStatus();
  };
}

Setter Directory(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (text != "off" && !text.starts_with('/')) return Expected("an absolute path or off", text);
    config.*field = text == "off" ? "" : text;
    return absl::OkStatus();
  };
}

Setter Text(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (text.empty()) return Expected("a name or number", text);
    config.*field = text;
    return absl::OkStatus();
  };
}

Setter File(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (!text.starts_with('/')) return Expected("an absolute path", text);
    config.*field = text;
    return absl::OkStatus();
  };
}

// One or more, separated by commas.
Setter List(std::vector<std::string> Config::*field, const char* what) {
  return [field, what](Config& config, const std::string& text) {
    std::vector<std::string> entries;
    for (const absl::string_view entry : absl::StrSplit(text, ',')) {
      entries.emplace_back(absl::StripAsciiWhitespace(entry));
      if (entries.back().empty()) return Expected(what, text);
    }
    config.*field = std::move(entries);
    return absl::OkStatus();
  };
}

Setter FileMode(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    const absl::StatusOr<uint32_t> parsed = ParseFileMode(text);
    if (!parsed.ok()) return parsed.status();
    config.*field = text;
    return absl::OkStatus();
  };
}

// One address and port; an address with colons stands in brackets.
bool IsHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host.find_first_of(bracketed ? ",+ " : ":,+ ") != std::string_view::npos) return false;
  int port = 0;
  return absl::SimpleAtoi(View(text.substr(colon + 1)), &port) && port >= 0 && port <= 65535;
}

Setter Listen(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (text != "off" && !IsHostPort(text)) return Expected("ADDRESS:PORT or off", text);
    config.*field = text;
    return absl::OkStatus();
  };
}

Setter DurationMs(int64_t Config::*field) {
  return [field](Config& config, const std::string& text) {
    const absl::StatusOr<int64_t> parsed = ParseDurationMs(text);
    if (!parsed.ok()) return parsed.status();
    if (*parsed < 1 || *parsed > 3'600'000) return Expected("a duration from 1ms to 60m", text);
    config.*field = *parsed;
    return absl::OkStatus();
  };
}

Setter Bytes(int64_t Config::*field) {
  return [field](Config& config, const std::string& text) {
    const absl::StatusOr<int64_t> parsed = ParseBytes(text);
    if (!parsed.ok()) return parsed.status();
    config.*field = *parsed;
    return absl::OkStatus();
  };
}

Setter Count(int64_t Config::*field, int64_t most) {
  return [field, most](Config& config, const std::string& text) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(text, &number) || number < 1 || number > most) {
      return Expected(absl::StrCat("a number from 1 to ", most), text);
    }
    config.*field = number;
    return absl::OkStatus();
  };
}

absl::Status SetListenTls(Config& config, const std::string& text) {
  if (text != "auto" && text != "on") return Expected("auto or on", text);
  config.api_listen_tls = text;
  return absl::OkStatus();
}

absl::Status SetMetricsPage(Config& config, const std::string& text) {
  if (text != "on" && text != "full" && text != "off") return Expected("on, full or off", text);
  config.metrics_page = text;
  return absl::OkStatus();
}

absl::Status SetLogLevel(Config& config, const std::string& text) {
  constexpr std::array<std::string_view, 5> kLevels = {"debug", "info", "warning", "error", "off"};
  if (std::find(kLevels.begin(), kLevels.end(), text) == kLevels.end()) {
    return Expected("debug, info, warning, error or off", text);
  }
  config.log_level = text;
  return absl::OkStatus();
}

}  // namespace

std::string Config::ApiSocketPath() const { return api_socket.empty() ? run_dir + "/api.sock" : api_socket; }
std::string Config::AdminSocketPath() const {
  return api_admin_socket.empty() ? run_dir + "/admin.sock" : api_admin_socket;
}

std::string Setting::flag() const {
  if (!short_flag.empty()) return std::string(short_flag);
  return absl::StrCat("--", absl::StrReplaceAll(View(key), {{".", "-"}, {"_", "-"}}));
}

namespace {

std::vector<Setting> MakeSettings() {
  std::vector<Setting> settings = {
      {"run_dir", "DIR", "/run/shmemd", "folder of both sockets, for several instances on one host",
       Path(&Config::run_dir)},
      {"api.socket", "PATH", "RUN_DIR/api.sock", "socket of the Inspector role (reading)",
       Path(&Config::api_socket)},
      {"api.socket_mode", "MODE", "0660", "its file mode", FileMode(&Config::api_socket_mode)},
      {"api.socket_owner", "USER", "as created", "its owner, a name or number",
       Text(&Config::api_socket_owner)},
      {"api.socket_group", "GROUP", "as created", "its group, a name or number",
       Text(&Config::api_socket_group)},
      {"api.socket_allow_uids",
       "USERS",
       "whom the mode lets in",
       "users that may connect, names or numbers",
       List(&Config::api_socket_allow_uids, kUsers),
       {},
       true},
      {"api.socket_allow_gids",
       "GROUPS",
       "whom the mode lets in",
       "groups whose members may connect, too",
       List(&Config::api_socket_allow_gids, kGroups),
       {},
       true},
      {"api.admin_socket", "PATH", "RUN_DIR/admin.sock", "socket of the Admin role (reading and changing)",
       Path(&Config::api_admin_socket)},
      {"api.admin_socket_mode", "MODE", "0600", "its file mode", FileMode(&Config::api_admin_socket_mode)},
      {"api.admin_socket_owner", "USER", "as created", "its owner, a name or number",
       Text(&Config::api_admin_socket_owner)},
      {"api.admin_socket_group", "GROUP", "as created", "its group, a name or number",
       Text(&Config::api_admin_socket_group)},
      {"api.admin_socket_allow_uids",
       "USERS",
       "whom the mode lets in",
       "users that may connect, names or numbers",
       List(&Config::api_admin_socket_allow_uids, kUsers),
       {},
       true},
      {"api.admin_socket_allow_gids",
       "GROUPS",
       "whom the mode lets in",
       "groups whose members may connect, too",
       List(&Config::api_admin_socket_allow_gids, kGroups),
       {},
       true},
      {"api.listen", "ADDRESS:PORT", "off",
       "TCP address of the Inspector role, e.g. 127.0.0.1:18045; TLS unless it is loopback",
       Listen(&Config::api_listen)},
      {"api.listen_tls", "WHEN", "auto", "TLS on api.listen: auto: unless it is loopback; on: always",
       SetListenTls},
      {"api.listen_identities",
       "NAMES",
       "every certificate that tls.client_ca signed",
       "TLS clients with the Inspector role on api.listen: DNS names, URIs, URI prefixes that end in /*, "
       "e-mail or IP addresses",
       List(&Config::api_listen_identities, kNames),
       {},
       true},
      {"api.admin_listen", "ADDRESS:PORT", "off", "TCP address of the Admin role, e.g. :18046; always TLS",
       Listen(&Config::api_admin_listen)},
      {"api.admin_listen_identities",
       "NAMES",
       "nobody",
       "TLS clients with the Admin role on api.admin_listen, as above; * is every certificate",
       List(&Config::api_admin_listen_identities, kNames),
       {},
       true},
      {"tls.certificate", "FILE", "none", "PEM certificate of the TCP listeners and what signed it",
       File(&Config::tls_certificate)},
      {"tls.key", "FILE", "none", "its PEM key, not encrypted", File(&Config::tls_key)},
      {"tls.client_ca", "FILE", "none", "PEM certificates that sign those of clients",
       File(&Config::tls_client_ca)},
      {"tls.refresh", "DURATION", "10s", "how often the three files are read again; at least 1s",
       DurationMs(&Config::tls_refresh_ms)},
      {"metrics.listen", "ADDRESS:PORT", "127.0.0.1:18044",
       "where /metrics and the probes are served; off: nowhere", Listen(&Config::metrics_listen)},
      {"metrics.page", "PAGE", "on",
       "pages for people and /debug/state.json there: on; full: with socket paths, processes and identities "
       "of "
       "files; off: only /metrics and the probes",
       SetMetricsPage},
      {"state_dir", "DIR", "off",
       "where what AttachBackend attached is written down, to be attached again after a restart",
       Directory(&Config::state_dir)},
      {"limits.max_backends", "N", "1024", "most back-ends at a time",
       Count(&Config::max_backends, 1'000'000)},
      {"limits.max_mappings", "N", "1024", "most mappings of one back-end in frontend mode",
       Count(&Config::max_mappings, 1'000'000)},
      {"limits.max_window", "BYTES", "1TiB", "largest region that is mapped into in frontend mode",
       Bytes(&Config::max_window_bytes)},
      {"limits.max_events", "N", "4096", "how many of the last events are kept, about 400 bytes each",
       Count(&Config::max_events, 1'000'000)},
      {"limits.max_watchers", "N", "1024", "most streams of Watch at a time",
       Count(&Config::max_watchers, 1'000'000)},
      {"limits.max_connections", "N", "1024",
       "most connections of one listener of the API; three quarters for one user or address",
       Count(&Config::max_connections, 1'000'000)},
      {"limits.max_streams", "N", "100", "most calls at a time on one connection",
       Count(&Config::max_streams, 1'000'000)},
      {"limits.max_message", "BYTES", "64KiB", "largest request", Bytes(&Config::max_message_bytes)},
      {"limits.max_open_calls", "N", "4096", "most calls and streams of one role at a time",
       Count(&Config::max_open_calls, 1'000'000)},
      {"limits.max_calls_per_second", "N", "10000", "most calls of one caller in a second",
       Count(&Config::max_calls_per_second, 1'000'000)},
      {"timeouts.connect", "DURATION", "5s", "how long connecting and each step of the handshake may take",
       DurationMs(&Config::connect_timeout_ms)},
      {"timeouts.query", "DURATION", "5s", "how long the reply to GET_SHMEM_CONFIG may take",
       DurationMs(&Config::query_timeout_ms)},
      {"timeouts.shutdown", "DURATION", "5s",
       "how long relayed sessions may take to end by themselves after SIGTERM; calls under way 1 s of it",
       DurationMs(&Config::shutdown_timeout_ms)},
      {"timeouts.handshake", "DURATION", "10s", "how long a client of the API may take for TLS and HTTP/2",
       DurationMs(&Config::handshake_timeout_ms)},
      {"timeouts.idle", "DURATION", "15m", "when a connection without calls is closed; clients come back",
       DurationMs(&Config::idle_timeout_ms)},
      {"reconnect.min", "DURATION", "100ms", "first pause before connecting again; doubles, 20 % of jitter",
       DurationMs(&Config::reconnect_min_ms)},
      {"reconnect.max", "DURATION", "5s", "longest pause before connecting again",
       DurationMs(&Config::reconnect_max_ms)},
      {"log.level", "LEVEL", "info", "debug, info, warning, error or off", SetLogLevel},
  };
  for (const RelayKey& key : RelayKeys()) {
    settings.push_back(
        {key.setting, key.value, key.fallback, key.help,
         [&key](Config& config, const std::string& text) { return key.set(config.relay_defaults, text); },
         key.flag});
  }
  return settings;
}

}  // namespace

const std::vector<Setting>& Settings() {
  static const auto& settings = *new std::vector<Setting>(MakeSettings());
  return settings;
}

absl::Status ApplySetting(const Setting& setting, const std::string& text, Config& config) {
  absl::Status status = setting.set(config, text);
  if (status.ok()) config.given[std::string(setting.key)] = text;
  return status;
}

std::vector<std::string> ChangedSettings(const Config& before, const Config& after) {
  const auto alone = [](const Setting& setting, const Config& config) {
    Config only;
    const auto given = config.given.find(std::string(setting.key));
    if (given != config.given.end()) setting.set(only, given->second).IgnoreError();
    return only;
  };
  std::vector<std::string> changed;
  for (const Setting& setting : Settings()) {
    if (setting.key.starts_with("relay.")) continue;
    if (alone(setting, before) != alone(setting, after)) changed.emplace_back(setting.key);
  }
  return changed;
}

}  // namespace shmemd::app
