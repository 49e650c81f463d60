#include "server/app/command_line.h"

#include <absl/strings/str_cat.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

#include "server/app/config_file.h"
#include "server/app/manual_pages.h"
#include "server/app/version.h"

namespace shmemd::app {
namespace {

constexpr char kAbout[] =
    "shmemd shows the VIRTIO shared memory of virtual machines: which regions a vhost-user back-end has, "
    "what is\n"
    "mapped into them, and whether it is safe to touch. gRPC for programs, /metrics for Prometheus, shmemctl "
    "for people.";

constexpr char kExamples[] = R"(Examples:
  shmemd --relay media0=/run/vhost-user/media0.sock,/run/backends/media0.sock
                                                          stand between a VM and its back-end
  shmemd --frontend gpu0=/run/backends/gpu0.sock          be the back-end's only front-end (developing a back-end)
  shmemd --probe cam0=/run/backends/cam0.sock             ask once for the sizes and leave
  shmemd --config /etc/shmemd/shmemd.yaml                 as the file says; a flag beside it wins
  shmemd --run-dir /run/shmemd/vm7 --metrics-listen off   a second instance on one host
  shmemctl regions                                        then: what people see
  curl http://127.0.0.1:18044/metrics                     what Prometheus sees
  grpcurl -plaintext -unix /run/shmemd/api.sock vhost.shmem.v1.ShmemInspector/ListRegions
                                                          what programs see)";

struct Given {
  std::string config_file;
  bool check_only = false;
  std::map<std::string_view, std::string> settings;  // by key
  std::vector<std::string> relays;
  std::vector<std::string> frontends;
  std::vector<std::string> probes;
};

void AddOptions(CLI::App& app, Given& given) {
  app.add_option("--config", given.config_file, "YAML file to read first")->type_name("FILE");
  app.add_flag("--check-config", given.check_only, "say what the configuration comes to, and end");
  app.add_option("--relay", given.relays,
                 "stand between a VMM, which connects to LISTEN, and its back-end; repeatable")
      ->type_name("ID=LISTEN,CONNECT")
      ->take_all();
  app.add_option("--frontend", given.frontends, "attach a back-end as its front-end; repeatable")
      ->type_name("ID=CONNECT")
      ->take_all();
  app.add_option("--probe", given.probes, "ask a back-end once and leave it alone; repeatable")
      ->type_name("ID=CONNECT")
      ->take_all();
  for (const Setting& setting : Settings()) {
    app.add_option(setting.flag(), given.settings[setting.key],
                   absl::StrCat(std::string(setting.help), " [", std::string(setting.fallback), "]"))
        ->type_name(std::string(setting.value));
  }
}

absl::Status Named(std::string_view flag, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat(std::string(flag), ": ", status.message()));
}

absl::Status ApplySettings(const Given& given, const CLI::App& app, Config& config) {
  for (const Setting& setting : Settings()) {
    if (app.count(setting.flag()) == 0) continue;
    const absl::Status status = ApplySetting(setting, given.settings.at(setting.key), config);
    if (!status.ok()) return Named(setting.flag(), status);
  }
  return absl::OkStatus();
}

absl::Status Merge(const Given& given, const CLI::App& app, Config& config) {
  const auto settings = [&](Config& target) { return ApplySettings(given, app, target); };
  absl::Status status =
      given.config_file.empty() ? settings(config) : LoadConfigFile(given.config_file, config, settings);
  if (!status.ok()) return status;
  for (const auto& [flag, mode, values] : {std::tuple("--relay", state::Mode::kRelay, &given.relays),
                                           {"--frontend", state::Mode::kFrontend, &given.frontends},
                                           {"--probe", state::Mode::kProbe, &given.probes}}) {
    for (const std::string& value : *values) {
      status = Named(flag, AddBackendByFlag(config, mode, value));
      if (!status.ok()) return status;
    }
  }
  return Validate(config);
}

ParsedCommandLine Mistake(const std::string& what) {
  std::cerr << "shmemd: " << what << "\n";
  return {std::nullopt, 2};
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, char** argv) {
  CLI::App app(kAbout, "shmemd");
  app.footer(kExamples);
  app.set_version_flag("--version", absl::StrCat("shmemd ", kVersion));
  Given given;
  AddOptions(app, given);
  AddManualPages(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return {std::nullopt, app.exit(success)};
  } catch (const CLI::ParseError& error) {
    return Mistake(absl::StrCat(error.what(), " (shmemd --help)"));
  }
  CommandLine line;
  line.check_only = given.check_only;
  if (const absl::Status status = Merge(given, app, line.config); !status.ok()) {
    return Mistake(std::string(status.message()));
  }
  return {std::move(line), 0};
}

absl::StatusOr<Config> ReadConfigAgain(int argc, char** argv) {
  CLI::App app(kAbout, "shmemd");
  Given given;
  AddOptions(app, given);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  Config config;
  if (absl::Status status = Merge(given, app, config); !status.ok()) return status;
  return config;
}

}  // namespace shmemd::app
