// shmem-demo-vmm: see --help.
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "manual/page.h"
#include "tests/peers/demo_program.h"
#include "tests/peers/demo_vmm.h"
#include "tests/peers/vmm_misbehaviour.h"
#include "tests/peers/vmm_script_reader.h"

namespace shmemd::peers {
namespace {

constexpr int kUsageError = 2;

struct Options {
  std::string connect_path;
  std::string listen_path;
  std::string script_path;
  std::string log_path;
  std::vector<std::string> misbehaviours;
  bool is_quiet = false;
};

std::string Footer() {
  std::string text =
      "What it does is printed, one line each: its steps and the back-end's requests with their answers,\n"
      "UNEXPECTED behind what a good back-end would not do. Without --script it starts its device as QEMU "
      "11.1\n"
      "does and keeps going until the back-end leaves. SIGTERM and SIGINT end it.\n"
      "Exit code: 0; 1 when something was UNEXPECTED or nobody was there to connect to; 2 for a wrong "
      "option,\n"
      "script or socket path.\n"
      "\nScript: YAML, every key optional:\n\n";
  text += VmmScriptExample();
  text +=
      "\nThere are also the steps reset_device, {set_status: 0}, query, new_channel (a second "
      "SET_BACKEND_REQ_FD),\n"
      "close_channel, half_close, close, reconnect, stop_reading, second_frontend, {raw: HEX} on the main "
      "and\n"
      "{raw_answer: HEX} on the back-end channel.\n"
      "\nMisbehaviours:\n";
  for (const VmmMisbehaviour& misbehaviour : AllVmmMisbehaviours()) {
    text += CatalogueLine(misbehaviour.name, misbehaviour.what);
  }
  return text;
}

void AddOptions(CLI::App& app, Options& options) {
  auto* socket = app.add_option_group("socket");
  socket->add_option("-c,--connect", options.connect_path, "Unix socket of the back-end; awaited for 5 s")
      ->type_name("PATH");
  socket->add_option("-l,--listen", options.listen_path, "Unix socket to wait at for a back-end, for 60 s")
      ->type_name("PATH");
  socket->require_option(1);
  app.add_option("--script", options.script_path, "What to be and to do, see below")->type_name("FILE");
  app.add_option("--misbehave", options.misbehaviours, "Go wrong in this way, see below; can be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->check([](const std::string& name) {
        return FindVmmMisbehaviour(name) != nullptr ? std::string() : "unknown misbehaviour " + name;
      });
  app.add_flag("-q,--quiet", options.is_quiet, "Print nothing");
  app.add_option("--log", options.log_path, "Append the lines to this file too")->type_name("FILE");
  app.set_version_flag("--version", std::string("shmem-demo-vmm " SHMEMD_VERSION));
  app.footer(Footer());
}

absl::StatusOr<VmmScript> LoadScript(const Options& options) {
  auto script = options.script_path.empty() ? absl::StatusOr<VmmScript>(DefaultVmmScript())
                                            : ReadVmmScriptFile(options.script_path);
  if (!script.ok()) return script;
  for (const std::string& name : options.misbehaviours) FindVmmMisbehaviour(name)->apply(*script);
  return script;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "shmem-demo-vmm: %s\n", std::string(status.message()).c_str());
  return kUsageError;
}

int Run(const Options& options) {
  const Fd stop = StopSignals();
  const auto script = LoadScript(options);
  if (!script.ok()) return Fail(script.status());
  Transcript transcript;
  if (!options.is_quiet) transcript.AlsoWriteTo(stdout);
  if (!options.log_path.empty()) {
    std::FILE* log = std::fopen(options.log_path.c_str(), "ae");
    if (log == nullptr) return Fail(absl::NotFoundError(options.log_path + ": cannot be written"));
    transcript.AlsoWriteTo(log);
  }
  std::optional<ListenSocket> listener;
  VmmEndpoint endpoint;
  endpoint.path = options.connect_path;
  if (!options.listen_path.empty()) {
    auto opened = ListenSocket::Open(options.listen_path);
    if (!opened.ok()) return Fail(opened.status());
    listener.emplace(std::move(*opened));
    endpoint = {options.listen_path, &*listener, std::chrono::minutes(1)};
    transcript.Add("listening on " + options.listen_path);
  }
  VmmStepQueue posted;
  VmmWindow window;
  const bool is_connected =
      DemoVmm(&*script, endpoint, stop.get(), &posted, &window, &transcript).Run(/*stays=*/false);
  return is_connected && transcript.unexpected_count() == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "A vhost-user front-end without a virtual machine, for demonstrations and tests of back-ends and "
      "relays:\n"
      "it starts a device as QEMU does, takes the back-end's maps and unmaps (SHMEM_MAP, SHMEM_UNMAP) into\n"
      "windows of its own, and stops, resets and reconnects as a script says, rightly or wrongly.",
      "shmem-demo-vmm");
  Options options;
  AddOptions(app, options);
  manual::AddManFlag(app, {.summary = "a scriptable vhost-user front-end without a virtual machine",
                           .sections = {{"See also", "shmem-demo-backend(1), shmemd(8)"}}});
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  return Run(options);
}

}  // namespace
}  // namespace shmemd::peers

int main(int argc, char** argv) { return shmemd::peers::Main(argc, argv); }
