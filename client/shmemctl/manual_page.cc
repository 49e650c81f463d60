#include "client/shmemctl/manual_page.h"

#include "manual/page.h"

namespace shmemd::shmemctl {
namespace {

constexpr char kEnvironment[] = R"(
  SHMEMD_ENDPOINT     where shmemd is, as --endpoint
  SHMEMD_CA           who signed the server's certificate, as --ca
  SHMEMD_CERT         the certificate to show, as --cert
  SHMEMD_KEY          its key, as --key
  SHMEMD_SERVER_NAME  the name in the server's certificate, as --server-name
  NO_COLOR            no colours, if it is set to anything; --color=always wins
)";

constexpr char kFiles[] = R"(
  /run/shmemd/api.sock         the default endpoint of commands that read
  /run/shmemd/admin.sock       the default endpoint of commands that change something
  /run/shmemd/NAME/api.sock    that of the instance shmemd@NAME.service
)";

}  // namespace

void AddManualPage(CLI::App& app) {
  manual::AddManFlag(app, {.section = 1,
                           .summary = "show the VIRTIO shared memory of vhost-user back-ends",
                           .sections = {{"Environment", kEnvironment},
                                        {"Files", kFiles},
                                        {"See also", "shmemd(8), shmemd.yaml(5)"}}});
}

}  // namespace shmemd::shmemctl
