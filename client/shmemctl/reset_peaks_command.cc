// reset-peaks: peaks start again from what is mapped now.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>

#include "client/print/region_printer.h"
#include "client/print/resource_name.h"
#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

ExitCode ResetPeaks(Context& context, const std::string& argument) {
  const auto target = client::ParseTarget(argument);
  if (!target.ok()) return context.Fail(target.status());
  if (target->backend.empty()) {
    return context.Fail(absl::InvalidArgumentError("reset-peaks takes one BACKEND or BACKEND/SHMID"));
  }
  const auto client = context.Connect(Role::kAdmin);
  if (!client.ok()) return context.Fail(client.status());
  auto reset = client->ResetRegionPeaks(client::RegionName(*target));
  if (!reset.ok()) return context.Fail(reset.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*reset, "regions");
  } else if (!context.quiet() && reset->regions().empty()) {
    context.Note("no regions");
  } else if (!context.quiet()) {
    v1::ListRegionsResponse list;
    list.mutable_regions()->Swap(reset->mutable_regions());
    context.Print(client::RenderRegions(list, context.style()));
  }
  return ExitCode::kOk;
}

}  // namespace

void AddResetPeaksCommand(CommandLine* line) {
  auto target = std::make_shared<std::string>();
  line->Add("reset-peaks", "Let peaks start again from what is mapped now (needs the admin role)",
            "reset-peaks gpu0\nreset-peaks gpu0/2",
            [target](Context& context) { return ResetPeaks(context, *target); })
      ->add_option("BACKEND[/SHMID]", *target, "The back-end, or one region of it")
      ->required();
}

}  // namespace shmemd::shmemctl
