// How help looks: lines of at most 80 columns, a command's own flags before those that all have.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace shmemd::shmemctl {

// Groups of flags that all commands have, as help calls them.
inline constexpr char kOutputGroup[] = "Output";
inline constexpr char kConnectionGroup[] = "Connection";

std::shared_ptr<CLI::FormatterBase> MakeHelpFormat();

}  // namespace shmemd::shmemctl
