// shmem-demo-backend: see --help.
#include <sys/signalfd.h>

#include <csignal>
#include <cstdio>
#include <string>

#include "CLI/CLI.hpp"
#include "tests/peers/demo_backend.h"

namespace shmemd::peers {
namespace {

Fd StopSignals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  return Fd(::signalfd(-1, &signals, SFD_CLOEXEC));
}

int Main(int argc, char** argv) {
  CLI::App app("A scriptable vhost-user back-end");
  std::string socket_path;
  bool is_once = false;
  app.add_option("--socket", socket_path)->required();
  app.add_flag("--once", is_once);
  CLI11_PARSE(app, argc, argv);
  const Fd stop = StopSignals();
  auto listener = ListenSocket::Open(socket_path);
  if (!listener.ok()) {
    std::fprintf(stderr, "shmem-demo-backend: %s\n", std::string(listener.status().message()).c_str());
    return 2;
  }
  Transcript transcript;
  transcript.AlsoWriteTo(stdout);
  const Script script = DefaultScript();
  StepQueue posted;
  transcript.Add("listening on " + socket_path);
  DemoBackend(&script, &posted, &transcript).Serve(*listener, stop.get(), is_once);
  return is_once && transcript.unexpected_count() > 0 ? 1 : 0;
}

}  // namespace
}  // namespace shmemd::peers

int main(int argc, char** argv) { return shmemd::peers::Main(argc, argv); }
