// status: how it is, on one screen.
#include <absl/time/clock.h>

#include <memory>
#include <string>

#include "client/print/status_printer.h"
#include "client/print/text.h"
#include "client/shmemctl/look.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

using client::ServerView;

client::StatusOptions OptionsOf(const Context& context) {
  return {.endpoint = context.asked().text(), .client_version = SHMEMD_VERSION, .now = absl::Now()};
}

void PrintStatus(const Context& context, const client::AnsweredList<ServerView>& views) {
  if (!context.quiet())
    return context.Print(client::RenderStatus(views, OptionsOf(context), context.style()));
  for (const auto& [endpoint, view] : views) {
    context.Print(endpoint + (endpoint.empty() ? "" : " ") + client::Printable(view->health, true) + "\n");
  }
}

ExitCode Status(Context& context, bool watch) {
  return ReadOrWatch<ServerView>(
      context, watch, "",
      {.ask = LookAt,
       .json = [&context](const ServerView& view) { return client::StatusToJson(view, OptionsOf(context)); },
       .print = PrintStatus});
}

}  // namespace

void AddStatusCommand(CommandLine* line) {
  auto watch = std::make_shared<bool>(false);
  CLI::App* command =
      line->Add("status", "Show on one screen how it is: counts, sums and the worst few things",
                "status\nstatus --watch\nstatus --endpoints-from fleet.txt\nstatus -o json",
                [watch](Context& context) { return Status(context, *watch); });
  AddWatchFlag(command, watch.get());
}

}  // namespace shmemd::shmemctl
