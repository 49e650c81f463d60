// Reading shmemd.yaml into a Config.
#pragma once

#include <absl/status/status.h>

#include <functional>
#include <string>

#include "server/app/config.h"

namespace shmemd::app {

// What is stronger than the settings of the file.
using ConfigOverrides = std::function<absl::Status(Config&)>;

// Settings of the file replace those in `config`; then come `overrides`, and then the back-ends of the file,
// which take what they do not say themselves from the settings. Errors are one line, "FILE:LINE: KEY: what is
// wrong", or what `overrides` says; `config` may then be half changed.
absl::Status LoadConfigFile(const std::string& path, Config& config, const ConfigOverrides& overrides = {});

}  // namespace shmemd::app
