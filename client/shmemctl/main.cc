#include <csignal>
#include <cstdlib>

#include "client/shmemctl/command_line.h"

int main(int argc, char** argv) {
  // What gRPC would say on standard error comes back as the status of a call.
  ::setenv("GRPC_VERBOSITY", "NONE", 0);
  // A reader that goes away must not take the exit code with it.
  ::signal(SIGPIPE, SIG_IGN);
  shmemd::shmemctl::CommandLine line;
  shmemd::shmemctl::AddAllCommands(&line);
  return line.Run(argc, argv);
}
