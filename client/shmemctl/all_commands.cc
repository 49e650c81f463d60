#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {

void AddAllCommands(CommandLine* line) {
  AddStatusCommand(line);
  AddListCommands(line);
  AddMappingCommands(line);
  AddMapCommand(line);
  AddTopCommand(line);
  AddEventsCommand(line);
  AddDoctorCommand(line);
  AddProbeCommand(line);
  AddAttachCommand(line);
  AddDetachCommand(line);
  AddResetPeaksCommand(line);
  AddRefreshCommand(line);
  AddHealthCommand(line);
  AddMetricsCommand(line);
  AddVersionCommand(line);
  AddCompletionCommand(line);
}

}  // namespace shmemd::shmemctl
