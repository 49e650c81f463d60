// version: of this program, and of the shmemd that answers.
#include <absl/strings/str_cat.h>

#include <string>

#include "client/shmemctl/command_line.h"
#include "client/structured.h"
#include "client/text.h"

namespace shmemd::shmemctl {
namespace {

using client::ExitCode;

// No shmemd is no error here.
ExitCode Version(Context& context) {
  auto client = context.Connect(client::Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto server = client->GetServerInfo();
  if (context.structured()) {
    const std::string answer = server.ok() ? client::ToJson(*server) : "{}";
    context.PrintJson(client::JsonWithField(answer, "clientVersion", client::JsonString(SHMEMD_VERSION)));
    if (!server.ok()) context.Note(client::DescribeError(server.status(), client->endpoint()));
    return ExitCode::kOk;
  }
  context.Print(absl::StrCat("shmemctl ", SHMEMD_VERSION, "\n"));
  if (context.quiet()) return ExitCode::kOk;
  if (server.ok()) {
    context.Print(absl::StrCat("shmemd ", client::Printable(server->version(), false), " at ",
                               client->endpoint().text(), "\n"));
  } else {
    context.Note(client::DescribeError(server.status(), client->endpoint()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddVersionCommand(CommandLine* line) {
  line->Add("version", "Print the version of shmemctl and of the shmemd that answers", "version", Version);
}

}  // namespace shmemd::shmemctl
