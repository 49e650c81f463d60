// One entry of `backends` in the configuration file.
#pragma once

#include <absl/status/statusor.h>
#include <yaml-cpp/yaml.h>

#include <string>

#include "server/state/backend_spec.h"

namespace shmemd::app {

// `key` is the entry's name in errors, "backends[0]"; they begin with `file` and the line. A relay says of
// itself what is different from `relay_defaults`. Ids and paths are not judged here.
absl::StatusOr<state::BackendSpec> ReadBackendEntry(const YAML::Node& entry, const std::string& file,
                                                    const std::string& key,
                                                    const state::BackendSpec& relay_defaults);

}  // namespace shmemd::app
