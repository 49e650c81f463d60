// version: of this program, and of the shmemd that answers.
#include <absl/strings/str_cat.h>

#include <string>

#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/print/units.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Answer = v1::GetServerInfoResponse;

std::string WithClientVersion(const std::string& json) {
  return client::JsonWithField(json, "clientVersion", client::JsonString(SHMEMD_VERSION));
}

// Of one shmemd: that it does not answer is no error, for this program's version is known.
ExitCode VersionOfOne(Context& context) {
  const auto client = context.Connect(Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto server = client->GetServerInfo();
  if (context.structured()) {
    context.PrintJson(WithClientVersion(server.ok() ? client::ToJson(*server) : "{}"));
  } else {
    context.Print(absl::StrCat("shmemctl ", SHMEMD_VERSION, "\n"));
    if (context.quiet()) return ExitCode::kOk;
    if (server.ok()) {
      context.Print(absl::StrCat("shmemd ", client::Printable(server->version(), false), " at ",
                                 context.asked().text(), "\n"));
    }
  }
  if (!server.ok()) context.Note(DescribeError(server.status(), context.asked()));
  return ExitCode::kOk;
}

void PrintVersions(const Context& context, const client::AnsweredList<Answer>& answers) {
  client::Table table({{"VERSION"}, {"STARTED"}, {"BACK-ENDS", client::Align::kRight}});
  for (const auto& [endpoint, answer] : answers) {
    table.SetEndpoint(endpoint);
    table.AddRow(
        {answer->version(), client::FormatTime(answer->start_time()), absl::StrCat(answer->backend_count())});
  }
  context.Print(table.Render(context.style()));
}

ExitCode Version(Context& context) {
  if (!context.several()) return VersionOfOne(context);
  return ReadOrWatch<Answer>(
      context, false, "",
      {.ask = [](const client::Client& client) { return client.GetServerInfo(); },
       .json = [](const Answer& answer) { return WithClientVersion(client::ToJson(answer)); },
       .print = PrintVersions});
}

}  // namespace

void AddVersionCommand(CommandLine* line) {
  line->Add("version", "Print the version of shmemctl and of the shmemd that answers",
            "version\nversion -o json", Version);
}

}  // namespace shmemd::shmemctl
