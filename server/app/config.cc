#include "server/app/config.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "server/base/socket_path.h"

namespace shmemd::app {
namespace {

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Expected(std::string_view expected, std::string_view got) {
  return absl::InvalidArgumentError(absl::StrCat("expected ", View(expected), ", got '", View(got), "'"));
}

using Setter = std::function<absl::Status(Config&, const std::string&)>;

struct Unit {
  std::string_view name;
  int64_t factor;
};

// A number followed by one of `units`.
absl::StatusOr<int64_t> ParseWithUnit(std::string_view text, const std::vector<Unit>& units,
                                      std::string_view expected) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) ++digits;
  int64_t number = 0;
  if (!absl::SimpleAtoi(View(text.substr(0, digits)), &number)) return Expected(expected, text);
  std::string_view unit = text.substr(digits);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  const auto found = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == unit; });
  if (found == units.end() || number > std::numeric_limits<int64_t>::max() / found->factor) {
    return Expected(expected, text);
  }
  return number * found->factor;
}

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

Setter Text(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    if (text.empty()) return Expected("a name or number", text);
    config.*field = text;
    return absl::OkStatus();
  };
}

Setter FileMode(std::string Config::*field) {
  return [field](Config& config, const std::string& text) {
    const bool octal = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '7'; });
    if (!octal || text.size() < 3 || text.size() > 4 || (text.size() == 4 && text[0] != '0'))
      return Expected("an octal file mode such as 0660", text);
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
  return absl::StrCat("--", absl::StrReplaceAll(View(key), {{".", "-"}, {"_", "-"}}));
}

const std::vector<Setting>& Settings() {
  static const auto& settings = *new std::vector<Setting>{
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
      {"limits.max_mappings", "N", "1024", "most mappings of one back-end in frontend mode",
       Count(&Config::max_mappings, 1'000'000)},
      {"limits.max_window", "BYTES", "1TiB", "largest region that is mapped into in frontend mode",
       Bytes(&Config::max_window_bytes)},
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
  return settings;
}

absl::Status AddBackend(Config& config, state::Mode mode, std::string_view id, std::string_view socket) {
  if (!state::IsValidBackendId(id)) {
    return Expected("an id of lower-case letters, digits, '-' and '.', at most 63 characters", id);
  }
  if (!socket.starts_with('/')) return Expected("the absolute path of a back-end's socket", socket);
  if (socket.size() > base::kMaxSocketPathBytes) {
    return Expected(absl::StrCat("a socket path of at most ", base::kMaxSocketPathBytes, " bytes"),
                    absl::StrCat(View(socket), "' of ", socket.size(), " bytes: '"));
  }
  for (const state::BackendSpec& other : config.backends) {
    if (other.id == id)
      return absl::InvalidArgumentError(absl::StrCat("back-end '", View(id), "' is named twice"));
    if (other.backend_socket == socket) {
      return absl::InvalidArgumentError(absl::StrCat("back-ends '", other.id, "' and '", View(id),
                                                     "' are the same socket: ", View(socket)));
    }
  }
  state::BackendSpec spec;
  spec.id = id;
  spec.backend_socket = socket;
  spec.mode = mode;
  config.backends.push_back(std::move(spec));
  return absl::OkStatus();
}

absl::Status AddBackendByFlag(Config& config, state::Mode mode, std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return Expected("ID=CONNECT", text);
  return AddBackend(config, mode, text.substr(0, equals), text.substr(equals + 1));
}

absl::Status Validate(const Config& config) {
  if (config.reconnect_min_ms > config.reconnect_max_ms) {
    return absl::InvalidArgumentError(absl::StrCat("reconnect.min (", config.reconnect_min_ms,
                                                   " ms) is longer than reconnect.max (",
                                                   config.reconnect_max_ms, " ms)"));
  }
  for (const std::string& path : {config.ApiSocketPath(), config.AdminSocketPath()}) {
    if (path.size() <= base::kMaxSocketPathBytes) continue;
    return absl::InvalidArgumentError(absl::StrCat("run_dir: the socket path ", path, " has ", path.size(),
                                                   " bytes, expected at most ", base::kMaxSocketPathBytes));
  }
  if (config.ApiSocketPath() == config.AdminSocketPath()) {
    return absl::InvalidArgumentError(
        absl::StrCat("api.socket and api.admin_socket are the same path: ", config.ApiSocketPath()));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ParseDurationMs(std::string_view text) {
  return ParseWithUnit(text, {{"ms", 1}, {"s", 1000}, {"m", 60'000}}, "a duration such as 250ms, 5s or 2m");
}

absl::StatusOr<int64_t> ParseBytes(std::string_view text) {
  constexpr int64_t kKi = 1024;
  return ParseWithUnit(text,
                       {{"", 1},
                        {"B", 1},
                        {"KiB", kKi},
                        {"MiB", kKi * kKi},
                        {"GiB", kKi * kKi * kKi},
                        {"TiB", kKi * kKi * kKi * kKi}},
                       "a size such as 4096, 64MiB or 1TiB");
}

}  // namespace shmemd::app
