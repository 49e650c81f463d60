#include "server/app/config.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <array>
#include <utility>

#include "server/app/setting_value.h"
#include "server/base/socket_path.h"

namespace shmemd::app {
namespace {

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
      {"api.admin_socket", "PATH", "RUN_DIR/admin.sock", "socket of the Admin role (reading and changing)",
       Path(&Config::api_admin_socket)},
      {"api.admin_socket_mode", "MODE", "0600", "its file mode", FileMode(&Config::api_admin_socket_mode)},
      {"api.admin_socket_owner", "USER", "as created", "its owner, a name or number",
       Text(&Config::api_admin_socket_owner)},
      {"api.admin_socket_group", "GROUP", "as created", "its group, a name or number",
       Text(&Config::api_admin_socket_group)},
      {"api.listen", "ADDRESS:PORT", "off",
       "loopback TCP address of the Inspector role, e.g. 127.0.0.1:18045", Listen(&Config::api_listen)},
      {"metrics.listen", "ADDRESS:PORT", "127.0.0.1:18044",
       "where /metrics and the probes are served; off: nowhere", Listen(&Config::metrics_listen)},
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
      {"timeouts.connect", "DURATION", "5s", "how long connecting and each step of the handshake may take",
       DurationMs(&Config::connect_timeout_ms)},
      {"timeouts.query", "DURATION", "5s", "how long the reply to GET_SHMEM_CONFIG may take",
       DurationMs(&Config::query_timeout_ms)},
      {"timeouts.shutdown", "DURATION", "5s", "how long calls under way may take after SIGTERM",
       DurationMs(&Config::shutdown_timeout_ms)},
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
