// Who may do what, from settings to what the API takes.
#pragma once

#include <absl/status/status.h>

#include <string>
#include <vector>

#include "server/api/api_server.h"
#include "server/app/config.h"

namespace shmemd::app {

// Fills in listeners, allow-lists, TLS and limits. InvalidArgument, naming the setting, for a user or group
// that this host does not know and for what is no identity.
absl::Status AddAccess(const Config& config, api::ApiConfig& api);

// One line each for the log: settings that are allowed, and probably not meant.
std::vector<std::string> AccessWarnings(const api::ApiConfig& api);

}  // namespace shmemd::app
