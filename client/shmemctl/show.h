// A command that shows something: once, or again whenever it changes.
#pragma once

#include <absl/status/statusor.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "client/shmemctl/command_line.h"
#include "client/shmemctl/reading.h"

namespace shmemd::shmemctl {

// Asks these and prints.
using Show = std::function<absl::StatusOr<ExitCode>(Context&, const Sources&)>;

// Calls `show` once, or with `watch` until Ctrl-C: whenever something below `parent` changed, and at most
// five times a second; of several endpoints every two seconds. On a terminal each picture replaces the one
// before; else it is printed where it is another one. A connection that breaks is made again.
ExitCode ShowOrWatch(Context& context, bool watch, const std::string& parent, const Show& show);

// The same with what a reading says.
template <typename Answer>
ExitCode ReadOrWatch(Context& context, bool watch, const std::string& parent, Reading<Answer> reading) {
  return ShowOrWatch(context, watch, parent,
                     [reading = std::move(reading)](Context& to, const Sources& sources) {
                       return ReadOnce(to, sources, reading);
                     });
}

// -w, --watch.
void AddWatchFlag(CLI::App* command, bool* watch);

}  // namespace shmemd::shmemctl
