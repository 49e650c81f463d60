// detach: have shmemd leave a back-end alone.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>

#include "client/print/resource_name.h"
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

struct DetachArguments {
  std::string backend;
  bool end_sessions = false;
};

ExitCode Detach(Context& context, const DetachArguments& arguments) {
  const auto target = client::ParseTarget(arguments.backend);
  if (!target.ok()) return context.Fail(target.status());
  if (target->backend.empty() || target->shmid.has_value()) {
    return context.Fail(absl::InvalidArgumentError("detach takes one BACKEND"));
  }
  const auto client = context.Connect(Role::kAdmin);
  if (!client.ok()) return context.Fail(client.status());
  const auto detached = client->DetachBackend(client::BackendName(*target), arguments.end_sessions);
  if (!detached.ok()) return context.Fail(detached.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*detached);
  } else if (!context.quiet() && detached->has_backend()) {
    context.Print(absl::StrCat(target->backend, " is DETACHING: it goes when its session ends\n"));
    context.Note("  --end-sessions ends it now, and the VM loses the device");
  } else if (!context.quiet()) {
    context.Print(absl::StrCat(target->backend, " is detached\n"));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddDetachCommand(CommandLine* line) {
  auto arguments = std::make_shared<DetachArguments>();
  CLI::App* command = line->Add("detach", "Have shmemd leave a back-end alone (needs the admin role)",
                                "detach gpu0\ndetach media0 --end-sessions",
                                [arguments](Context& context) { return Detach(context, *arguments); });
  command->add_option("BACKEND", arguments->backend, "The back-end")->required();
  command->add_flag("--end-sessions", arguments->end_sessions,
                    "Relay: end a session that lives, too; the VM loses the device");
}

}  // namespace shmemd::shmemctl
