// Serves the API of one made-up back-end until its input ends: api-test-server API_SOCKET ADMIN_SOCKET
// For checks by other programs' clients; says "ready" when they may connect.
#include <csignal>
#include <cstdio>

#include "server/api/api_server.h"
#include "tests/api/fleet.h"

int main(int argc, char** argv) {
  using shmemd::api::ApiConfig;
  using shmemd::api::ApiServer;
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s API_SOCKET ADMIN_SOCKET\n", argv[0]);
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  shmemd::api::Fleet fleet;
  fleet.Attach("gpu0");
  fleet.Connect("gpu0");
  fleet.Report("gpu0", 0, uint64_t{4} << 30);
  fleet.Report("gpu0", 2, uint64_t{1} << 20);
  fleet.Report("gpu0", 5, uint64_t{1} << 16);
  fleet.Map("gpu0", 2, 0x10000, 0x4000);

  ApiConfig config;
  config.socket.path = argv[1];
  config.admin_socket.path = argv[2];
  config.facts.version = "0.0.0-test";
  shmemd::feed::Control control;
  ApiServer server(config, fleet.reader(), control);
  if (const absl::Status status = server.Start(); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    return 1;
  }
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  server.Shutdown(std::chrono::seconds(1));
  return 0;
}
