// shmemctl(1), made from the command line.
#pragma once

#include <CLI/CLI.hpp>

namespace shmemd::shmemctl {

// The flag --man, which prints it and is not in --help. `app` stays where it is.
void AddManualPage(CLI::App& app);

}  // namespace shmemd::shmemctl
