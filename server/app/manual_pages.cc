#include "server/app/manual_pages.h"

#include <absl/strings/str_cat.h>

#include <string_view>

#include "manual/page.h"
#include "server/app/config.h"
#include "server/app/relay_keys.h"

namespace shmemd::app {
namespace {

constexpr char kSignals[] = R"(
  SIGHUP           reads the file and the flags again: attaches what they name from now on, detaches what they name no more, and leaves the rest alone
  SIGTERM, SIGINT  lets nobody new in, waits up to timeouts.shutdown for relayed sessions to end by themselves, and ends; a second one ends at once. What still lives then is closed, and the VM loses the device
)";

constexpr char kExit[] = R"(
  0  it was told to end
  1  a socket, port, certificate or state directory cannot be used
  2  a wrong flag, or a mistake in the configuration
)";

constexpr char kFiles[] = R"(
  /etc/shmemd/shmemd.yaml     the configuration of shmemd.service
  /etc/shmemd/NAME.yaml       that of shmemd@NAME.service
  /run/shmemd/api.sock        the Inspector role: reading
  /run/shmemd/admin.sock      the Admin role: reading and changing
  /var/lib/shmemd             the suggested state_dir
)";

constexpr char kConfigAbout[] = R"(
shmemd reads this file when it is started with --config, and again at SIGHUP. It is YAML. Every key has a flag, which wins over the file. A wrong key, a wrong value or a key that is given twice is an error that names file, line and key; shmemd --check-config says what a file comes to, without serving.

A duration is a number and ms, s or m; a size is a number and nothing, KiB, MiB, GiB or TiB; a mode is octal and in quotation marks. What takes several values takes them with commas or as a list.
)";

constexpr char kBackends[] = R"(
The list backends says what is attached. No two entries may have a socket in common. An entry has:

  id        its name everywhere: lower-case letters, digits, - and ., 63 at most
  mode      relay: stands between a VMM and its back-end. frontend: is the back-end's only front-end. probe: asks once for the regions and leaves
  backend   {connect: PATH}, the socket of the back-end; in mode relay also {listen: PATH}, where the back-end connects to
  frontend  {listen: PATH}, where the VMM connects to, or {connect: PATH}, where it listens; in mode relay only
)";

constexpr char kExample[] = R"(
  metrics:
    listen: 127.0.0.1:18044
  relay:
    guard: warn
  backends:
    - id: media0
      mode: relay
      frontend: {listen: /run/vhost-user/media0.sock}
      backend: {connect: /run/backends/media0.sock}
      query: inject
    - {id: gpu0, mode: frontend, backend: {connect: /run/backends/gpu0.sock}}
    - {id: cam0, mode: probe, backend: {connect: /run/backends/cam0.sock}}
)";

constexpr char kNotes[] =
    "A reload changes back-ends and what relay entries get by default. Other settings need a restart; the "
    "log "
    "names those that differ. A session that is relayed goes on whatever is read.";

// One line of a list: term, two spaces, what it is.
void AddItem(std::string& list, std::string_view term, std::string_view what) {
  absl::StrAppend(&list, "  ", std::string(term), "  ", std::string(what), "\n");
}

std::string SettingList() {
  std::string list;
  for (const Setting& setting : Settings()) {
    AddItem(list, absl::StrCat(std::string(setting.key), ": ", std::string(setting.value)),
            absl::StrCat(std::string(setting.help), " [", std::string(setting.fallback), "] (",
                         setting.flag(), ")"));
  }
  return list;
}

std::string BackendKeys() {
  std::string text = absl::StrCat(
      kBackends,
      "\nIn mode relay it may also have, instead of what the setting of that name under relay says:\n\n");
  for (const RelayKey& key : RelayKeys()) {
    AddItem(text, absl::StrCat(std::string(key.name()), ": ", std::string(key.value)), std::string(key.help));
  }
  return text;
}

}  // namespace

std::string ConfigPage() {
  return manual::PlainPage("shmemd.yaml",
                           {.section = 5,
                            .summary = "configuration of shmemd",
                            .sections = {{"Description", kConfigAbout},
                                         {"Settings", SettingList()},
                                         {"Back-ends", BackendKeys()},
                                         {"Files", "/etc/shmemd/shmemd.yaml, /etc/shmemd/NAME.yaml"},
                                         {"Notes", kNotes},
                                         {"Examples", kExample},
                                         {"See also", "shmemd(8), shmemctl(1)"}}});
}

void AddManualPages(CLI::App& app) {
  manual::AddManFlag(app, {.section = 8,
                           .summary = "show and relay the VIRTIO shared memory of virtual machines",
                           .sections = {{"Signals", kSignals},
                                        {"Exit status", kExit},
                                        {"Files", kFiles},
                                        {"See also", "shmemd.yaml(5), shmemctl(1), systemd.service(5)"}}});
  app.add_flag_callback("--man-config", [] { throw CLI::CallForVersion(ConfigPage(), 0); })->group("");
}

}  // namespace shmemd::app
