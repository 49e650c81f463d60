// shmemd's command line: flags made from the setting table, merged with the file that --config names.
#pragma once

#include <absl/status/statusor.h>

#include <optional>
#include <string>

#include "server/app/config.h"

namespace shmemd::app {

struct CommandLine {
  Config config;
  bool check_only = false;  // --check-config
};

// The command line, or the exit code where the program ends here: after --help or --version, or after a
// mistake that was said in one line on stderr (2).
struct ParsedCommandLine {
  std::optional<CommandLine> run;
  int exit_code = 0;
};
ParsedCommandLine ParseCommandLine(int argc, char** argv);

// The configuration that the same command line comes to now. InvalidArgument says the mistake in one line.
absl::StatusOr<Config> ReadConfigAgain(int argc, char** argv);

}  // namespace shmemd::app
