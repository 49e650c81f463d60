// Reading shmemd.yaml into a Config.
#pragma once

#include <absl/status/status.h>

#include <string>

#include "server/app/config.h"

namespace shmemd::app {

// Settings of the file replace those in `config`. Errors are one line, "FILE:LINE: KEY: what is wrong";
// `config` may then be half changed.
absl::Status LoadConfigFile(const std::string& path, Config& config);

}  // namespace shmemd::app
