#include "server/app/command_line.h"

#include <absl/strings/str_cat.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <utility>
#include <vector>

#include "server/app/config_file.h"
#include "server/app/version.h"

namespace shmemd::app {
namespace {

constexpr char kAbout[] =
    "shmemd shows the VIRTIO shared memory of virtual machines: which regions a vhost-user back-end has, "
    "what is\n"
    "mapped into them, and whether it is safe to touch. gRPC for programs, /metrics for Prometheus, shmemctl "
    "for people.";

constexpr char kExamples[] = R"(Examples:
  shmemd --frontend gpu0=/run/backends/gpu0.sock          be the back-end's only front-end (developing a back-end)
  shmemd --probe cam0=/run/backends/cam0.sock             ask once for the sizes and leave
  shmemd --config /etc/shmemd/shmemd.yaml                 as the file says; a flag beside it wins
  shmemd --run-dir /run/shmemd/vm7 --metrics-listen off   a second instance on one host

Then: shmemctl regions; curl http://127.0.0.1:18044/metrics;
  grpcurl -plaintext -unix /run/shmemd/api.sock vhost.shmem.v1.ShmemInspector/ListRegions)";

struct Given {
  std::string config_file;
  bool check_only = false;
  std::map<std::string_view, std::string> settings;  // by key
  std::vector<std::string> frontends;
  std::vector<std::string> probes;
};

void AddOptions(CLI::App& app, Given& given) {
  app.add_option("--config", given.config_file, "YAML file to read first")->type_name("FILE");
  app.add_flag("--check-config", given.check_only, "say what the configuration comes to, and end");
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

absl::Status Merge(const Given& given, const CLI::App& app, Config& config) {
  if (!given.config_file.empty()) {
    if (absl::Status status = LoadConfigFile(given.config_file, config); !status.ok()) return status;
  }
  for (const Setting& setting : Settings()) {
    if (app.count(setting.flag()) == 0) continue;
    const absl::Status status = setting.set(config, given.settings.at(setting.key));
    if (!status.ok()) return Named(setting.flag(), status);
  }
  for (const auto& [flag, mode, values] : {std::tuple("--frontend", state::Mode::kFrontend, &given.frontends),
                                           {"--probe", state::Mode::kProbe, &given.probes}}) {
    for (const std::string& value : *values) {
      if (absl::Status status = Named(flag, AddBackendByFlag(config, mode, value)); !status.ok())
        return status;
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

std::string DescribeConfig(const Config& config) {
  std::string text = absl::StrCat(
      "api.socket       ", config.ApiSocketPath(), " (", config.api_socket_mode, ")\n", "api.admin_socket ",
      config.AdminSocketPath(), " (", config.api_admin_socket_mode, ")\n", "api.listen       ",
      config.api_listen, "\n", "metrics.listen   ", config.metrics_listen, "\n", "limits           ",
      config.max_mappings, " mappings a back-end, windows up to ", config.max_window_bytes, " bytes\n",
      "timeouts         connect ", config.connect_timeout_ms, " ms, query ", config.query_timeout_ms,
      " ms, shutdown ", config.shutdown_timeout_ms, " ms\n", "reconnect        ", config.reconnect_min_ms,
      " to ", config.reconnect_max_ms, " ms\n", "log.level        ", config.log_level, "\n");
  if (config.backends.empty()) absl::StrAppend(&text, "back-ends        none\n");
  for (const state::BackendSpec& backend : config.backends) {
    absl::StrAppend(&text, "back-end         ", backend.id, ": ", state::ModeName(backend.mode),
                    ", connects to ", backend.backend_socket, "\n");
  }
  return text;
}

}  // namespace shmemd::app
