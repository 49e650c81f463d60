// version: of this program, and of the shmemd that answers.
#include <absl/strings/str_cat.h>

#include <string>

#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

// No shmemd is no error here.
ExitCode Version(Context& context) {
  auto client = context.Connect(Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto server = client->GetServerInfo();
  if (context.structured()) {
    const std::string answer = server.ok() ? client::ToJson(*server) : "{}";
    context.PrintJson(client::JsonWithField(answer, "clientVersion", client::JsonString(SHMEMD_VERSION)));
    if (!server.ok()) context.Note(DescribeError(server.status(), context.asked()));
    return ExitCode::kOk;
  }
  context.Print(absl::StrCat("shmemctl ", SHMEMD_VERSION, "\n"));
  if (context.quiet()) return ExitCode::kOk;
  if (server.ok()) {
    context.Print(absl::StrCat("shmemd ", client::Printable(server->version(), false), " at ",
                               context.asked().text(), "\n"));
  } else {
    context.Note(DescribeError(server.status(), context.asked()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddVersionCommand(CommandLine* line) {
  line->Add("version", "Print the version of shmemctl and of the shmemd that answers", "version", Version);
}

}  // namespace shmemd::shmemctl
