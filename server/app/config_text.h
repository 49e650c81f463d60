// A configuration in words.
#pragma once

#include <string>

#include "server/app/config.h"

namespace shmemd::app {

// What the configuration comes to, for --check-config: every setting with its value, and every back-end.
std::string DescribeConfig(const Config& config);

// "gpu0: frontend, connects to /run/gpu0.sock".
std::string DescribeBackend(const state::BackendSpec& spec);

}  // namespace shmemd::app
