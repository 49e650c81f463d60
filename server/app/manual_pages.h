// shmemd(8) and shmemd.yaml(5), made from the command line and from the setting table.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace shmemd::app {

// Flags that print them: --man and --man-config, not in --help. `app` stays where it is.
void AddManualPages(CLI::App& app);

// The source of shmemd.yaml(5).
std::string ConfigPage();

}  // namespace shmemd::app
