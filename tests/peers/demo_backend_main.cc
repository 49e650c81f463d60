// shmem-demo-backend: see --help.
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "manual/page.h"
#include "tests/peers/demo_backend.h"
#include "tests/peers/demo_program.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/script_reader.h"

namespace shmemd::peers {
namespace {

constexpr int kUsageError = 2;

struct Options {
  std::string socket_path;
  std::string script_path;
  std::string log_path;
  std::vector<std::string> misbehaviours;
  bool is_once = false;
  bool is_quiet = false;
};

std::string Names(Misbehaviour::Seen seen) {
  std::string text;
  for (const Misbehaviour& misbehaviour : AllMisbehaviours()) {
    if (misbehaviour.seen == seen) text += CatalogueLine(misbehaviour.name, misbehaviour.what);
  }
  return text;
}

std::string Footer() {
  std::string text =
      "What it does is printed, one line each: requests with the front-end's answer, UNEXPECTED behind an "
      "answer\n"
      "that the script does not expect. Without --script it has regions 0, 2 and 5, live mappings in each, "
      "and\n"
      "keeps one changing. SIGTERM and SIGINT end it; its socket goes with it.\n"
      "Exit code: 0; 1 with --once when something was UNEXPECTED; 2 for a wrong option, script or socket "
      "path.\n"
      "\nScript: YAML, every key optional:\n\n";
  text += ScriptExample();
  text +=
      "\nmap and unmap also know flags, fds, request, header_flags, header_size, payload_bytes, padding,\n"
      "piece_bytes, wait_for_ack and need_reply, to be wrong on purpose. Further steps:\n"
      "  {truncate: {shmid, shm_offset, size}}\n  {raw: 0900 0000}\n  {close: channel}\n  {close: main}\n";
  text += "\nMisbehaviours: wrong in what is offered\n" + Names(Misbehaviour::Seen::kOffer);
  text += "\nWrong in the answer to GET_SHMEM_CONFIG:\n" + Names(Misbehaviour::Seen::kConfigReply);
  text += "\nWrong on the back-end channel:\n" + Names(Misbehaviour::Seen::kBackendChannel);
  return text;
}

void AddOptions(CLI::App& app, Options& options) {
  app.add_option("-s,--socket", options.socket_path, "Unix socket to listen on; a stale one is taken over")
      ->required()
      ->type_name("PATH");
  app.add_option("--script", options.script_path, "What to be and to do, see below")->type_name("FILE");
  app.add_option("--misbehave", options.misbehaviours, "Go wrong in this way, see below; can be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->check([](const std::string& name) {
        return FindMisbehaviour(name) != nullptr ? std::string() : "unknown misbehaviour " + name;
      });
  app.add_flag("--once", options.is_once, "End after the first front-end has gone");
  app.add_flag("-q,--quiet", options.is_quiet, "Print nothing");
  app.add_option("--log", options.log_path, "Append the lines to this file too")->type_name("FILE");
  app.set_version_flag("--version", std::string("shmem-demo-backend " SHMEMD_VERSION));
  app.footer(Footer());
}

absl::StatusOr<Script> LoadScript(const Options& options) {
  auto script = options.script_path.empty() ? absl::StatusOr<Script>(DefaultScript())
                                            : ReadScriptFile(options.script_path);
  if (!script.ok()) return script;
  for (const std::string& name : options.misbehaviours) FindMisbehaviour(name)->apply(*script);
  return script;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "shmem-demo-backend: %s\n", std::string(status.message()).c_str());
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
  const auto listener = ListenSocket::Open(options.socket_path);
  if (!listener.ok()) return Fail(listener.status());
  transcript.Add("listening on " + options.socket_path);
  StepQueue posted;
  DemoBackend(&*script, &posted, &transcript).Serve(*listener, stop.get(), options.is_once);
  return options.is_once && transcript.unexpected_count() > 0 ? 1 : 0;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "A vhost-user back-end without a device behind it, for demonstrations and tests of front-ends: it "
      "tells its\n"
      "shared memory regions (GET_SHMEM_CONFIG) and maps and unmaps (SHMEM_MAP, SHMEM_UNMAP) as a script "
      "says,\n"
      "rightly or wrongly.",
      "shmem-demo-backend");
  Options options;
  AddOptions(app, options);
  manual::AddManFlag(app, {.summary = "a scriptable vhost-user back-end with shared memory regions",
                           .sections = {{"See also", "shmem-demo-vmm(1), shmemd(8)"}}});
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
