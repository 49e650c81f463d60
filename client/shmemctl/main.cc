#include <cstdlib>

#include "client/shmemctl/command_line.h"

int main(int argc, char** argv) {
  // What gRPC would say on standard error comes back as the status of a call.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  shmemd::shmemctl::CommandLine line;
  shmemd::shmemctl::AddListCommands(&line);
  shmemd::shmemctl::AddMappingCommands(&line);
  shmemd::shmemctl::AddMapCommand(&line);
  shmemd::shmemctl::AddEventsCommand(&line);
  shmemd::shmemctl::AddProbeCommand(&line);
  shmemd::shmemctl::AddAttachCommand(&line);
  shmemd::shmemctl::AddDetachCommand(&line);
  shmemd::shmemctl::AddResetPeaksCommand(&line);
  shmemd::shmemctl::AddRefreshCommand(&line);
  shmemd::shmemctl::AddHealthCommand(&line);
  shmemd::shmemctl::AddMetricsCommand(&line);
  shmemd::shmemctl::AddVersionCommand(&line);
  return line.Run(argc, argv);
}
