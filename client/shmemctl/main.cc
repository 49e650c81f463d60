#include "client/shmemctl/command_line.h"

int main(int argc, char** argv) {
  shmemd::shmemctl::CommandLine line;
  shmemd::shmemctl::AddListCommands(&line);
  shmemd::shmemctl::AddMappingCommands(&line);
  shmemd::shmemctl::AddMapCommand(&line);
  shmemd::shmemctl::AddEventsCommand(&line);
  shmemd::shmemctl::AddProbeCommand(&line);
  shmemd::shmemctl::AddRefreshCommand(&line);
  shmemd::shmemctl::AddHealthCommand(&line);
  shmemd::shmemctl::AddMetricsCommand(&line);
  shmemd::shmemctl::AddVersionCommand(&line);
  return line.Run(argc, argv);
}
