// What does not go together: back-ends with each other, and settings with settings.
#include <absl/strings/str_cat.h>

#include <utility>

#include "server/app/config.h"
#include "server/app/setting_value.h"
#include "server/base/file_id.h"
#include "server/base/socket_path.h"

namespace shmemd::app {
namespace {

absl::StatusOr<state::BackendSpec> RelayByFlag(const Config& config, std::string_view sockets) {
  const size_t comma = sockets.find(',');
  if (comma == std::string_view::npos || sockets.find(',', comma + 1) != std::string_view::npos) {
    return Expected("ID=LISTEN,CONNECT", sockets);
  }
  state::BackendSpec spec = config.relay_defaults;
  spec.frontend_socket = sockets.substr(0, comma);
  spec.backend_socket = sockets.substr(comma + 1);
  return spec;
}

// A path may be an alias of another one.
absl::Status CheckAliases(const Config& config) {
  SocketUse files;
  for (const state::BackendSpec& backend : config.backends) {
    if (const auto clash = files.Find(backend)) {
      return absl::InvalidArgumentError(absl::StrCat("back-ends '", clash->backend_id, "' and '", backend.id,
                                                     "' have the same socket: ", clash->socket));
    }
    files.AddFiles(backend);
  }
  return absl::OkStatus();
}

absl::Status OutOfRange(std::string_view key, std::string_view expected, int64_t got) {
  return absl::InvalidArgumentError(absl::StrCat(View(key), ": expected ", View(expected), ", got ", got));
}

absl::Status CheckAccess(const Config& config) {
  constexpr int64_t kMaxMessageBytes = int64_t{64} << 20;
  const int given = int{!config.tls_certificate.empty()} + int{!config.tls_key.empty()} +
                    int{!config.tls_client_ca.empty()};
  if (given != 0 && given != 3) {
    return absl::InvalidArgumentError(absl::StrCat("tls.certificate, tls.key and tls.client_ca go together; ",
                                                   config.tls_certificate.empty() ? "tls.certificate"
                                                   : config.tls_key.empty()       ? "tls.key"
                                                                                  : "tls.client_ca",
                                                   " is missing"));
  }
  if (config.tls_refresh_ms < 1000)
    return OutOfRange("tls.refresh", "at least 1s, in ms", config.tls_refresh_ms);
  if (config.max_message_bytes < 1024 || config.max_message_bytes > kMaxMessageBytes) {
    return OutOfRange("limits.max_message", "1KiB to 64MiB, in bytes", config.max_message_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckApart(const Config& config, const state::BackendSpec& backend) {
  for (const auto& [key, path] : {std::pair("api.socket", config.ApiSocketPath()),
                                  std::pair("api.admin_socket", config.AdminSocketPath())}) {
    for (const std::string& socket : SocketsOf(backend)) {
      if (!base::IsSameFile(socket, path)) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(key, " and back-end '", backend.id, "' have the same path: ", path));
    }
  }
  return absl::OkStatus();
}

std::optional<SpecProblem> FindProblem(const state::BackendSpec& spec) {
  if (!state::IsValidBackendId(spec.id)) {
    return SpecProblem{
        "id", Expected("an id of lower-case letters, digits, '-' and '.', at most 63 characters", spec.id)};
  }
  const bool relay = spec.mode == state::Mode::kRelay;
  for (const auto& [field, socket] : {std::pair("frontend_socket", &spec.frontend_socket),
                                      std::pair("backend_socket", &spec.backend_socket)}) {
    if (!relay && socket == &spec.frontend_socket) continue;
    if (absl::Status status = CheckSocketPath(*socket); !status.ok()) return SpecProblem{field, status};
  }
  if (relay && base::IsSameFile(spec.frontend_socket, spec.backend_socket)) {
    return SpecProblem{"backend_socket",
                       absl::InvalidArgumentError(absl::StrCat("front-end and back-end are the same socket: ",
                                                               spec.backend_socket))};
  }
  return std::nullopt;
}

absl::Status AddBackend(Config& config, state::BackendSpec spec) {
  if (const auto problem = FindProblem(spec)) return problem->status;
  for (const state::BackendSpec& other : config.backends) {
    if (other.id == spec.id)
      return absl::InvalidArgumentError(absl::StrCat("back-end '", spec.id, "' is named twice"));
  }
  if (const auto clash = config.sockets.Find(spec)) {
    return absl::InvalidArgumentError(absl::StrCat("back-ends '", clash->backend_id, "' and '", spec.id,
                                                   "' have the same socket: ", clash->socket));
  }
  config.sockets.Add(spec);
  config.backends.push_back(std::move(spec));
  return absl::OkStatus();
}

absl::Status AddBackendByFlag(Config& config, state::Mode mode, std::string_view text) {
  const bool relay = mode == state::Mode::kRelay;
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return Expected(relay ? "ID=LISTEN,CONNECT" : "ID=CONNECT", text);
  const std::string_view sockets = text.substr(equals + 1);
  state::BackendSpec spec;
  if (relay) {
    absl::StatusOr<state::BackendSpec> parsed = RelayByFlag(config, sockets);
    if (!parsed.ok()) return parsed.status();
    spec = *std::move(parsed);
  } else {
    spec.mode = mode;
    spec.backend_socket = sockets;
  }
  spec.id = text.substr(0, equals);
  return AddBackend(config, std::move(spec));
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
  if (absl::Status status = CheckAccess(config); !status.ok()) return status;
  if (config.backends.size() > static_cast<size_t>(config.max_backends)) {
    return absl::InvalidArgumentError(absl::StrCat("limits.max_backends: ", config.backends.size(),
                                                   " back-ends are named, expected at most ",
                                                   config.max_backends));
  }
  for (const state::BackendSpec& backend : config.backends) {
    if (absl::Status status = CheckApart(config, backend); !status.ok()) return status;
  }
  return CheckAliases(config);
}

}  // namespace shmemd::app
