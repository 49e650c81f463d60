// refresh: ask a back-end for its regions again.
#include <memory>
#include <string>

#include "client/print/backend_printer.h"
#include "client/print/resource_name.h"
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

ExitCode Refresh(Context& context, const std::string& argument) {
  const auto target = client::ParseTarget(argument);
  if (!target.ok()) return context.Fail(target.status());
  if (target->backend.empty() || target->shmid.has_value()) {
    return context.Fail(absl::InvalidArgumentError("refresh takes one BACKEND"));
  }
  auto client = context.Connect(Role::kAdmin);
  if (!client.ok()) return context.Fail(client.status());
  auto backend = client->RefreshBackend(client::BackendName(*target));
  if (!backend.ok()) return context.Fail(backend.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*backend);
  } else if (!context.quiet()) {
    v1::ListBackendsResponse list;
    *list.add_backends() = *std::move(backend);
    context.Print(client::RenderConfigs(list, context.style()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddRefreshCommand(CommandLine* line) {
  auto backend = std::make_shared<std::string>();
  line->Add("refresh", "Ask a back-end for its regions again (needs the admin role)", "refresh gpu0",
            [backend](Context& context) { return Refresh(context, *backend); })
      ->add_option("BACKEND", *backend, "The back-end")
      ->required();
}

}  // namespace shmemd::shmemctl
