// probe: ask a back-end directly, without a daemon.
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {

void AddProbeCommand(CommandLine* line) { (void)line; }

}  // namespace shmemd::shmemctl
