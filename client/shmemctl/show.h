// A command that shows something: once, or again whenever it changes.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <string>

#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {

// Asks and prints.
using Show = std::function<absl::StatusOr<ExitCode>(Context&, const client::Client&)>;

// Calls `show` once, or with `watch` until Ctrl-C: whenever something below `parent` changed, and at most
// five times a second. On a terminal each picture replaces the one before; else it is printed where it is
// another one. A connection that breaks is made again.
ExitCode ShowOrWatch(Context& context, bool watch, const std::string& parent, const Show& show);

// -w, --watch.
void AddWatchFlag(CLI::App* command, bool* watch);

}  // namespace shmemd::shmemctl
