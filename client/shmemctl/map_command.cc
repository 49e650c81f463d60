// map: the address space of regions as pictures.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>
#include <vector>

#include "client/print/address_map.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

// Up to so many mappings are listed below a picture.
constexpr int64_t kMaxListed = 8;

absl::StatusOr<std::vector<std::string>> RegionNames(const client::Client& client,
                                                     const client::Target& target) {
  if (target.shmid.has_value()) return std::vector<std::string>{client::RegionName(target)};
  const auto list = client.ListRegions(client::BackendName(target));
  if (!list.ok()) return list.status();
  std::vector<std::string> names;
  for (const v1::Region& region : list->regions()) names.push_back(region.name());
  return names;
}

absl::Status PrintPicture(const Context& context, const client::Client& client,
                          const v1::GetRegionLayoutResponse& layout) {
  const int64_t count = layout.region().mapping_count();
  v1::ListMappingsResponse mappings;
  if (!context.quiet() && count > 0 && count <= kMaxListed) {
    auto list = client.ListMappings(layout.region().name());
    if (!list.ok()) return list.status();
    // There may be more by now.
    if (list->mappings_size() <= kMaxListed) mappings = *std::move(list);
  }
  context.Print(client::RenderAddressMap(layout, mappings, context.style()));
  if (!context.quiet() && count > kMaxListed) {
    context.Print(absl::StrCat("  ", count, " mappings: shmemctl mappings ",
                               client::ShortName(layout.region().name()), "\n"));
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> ShowMap(Context& context, const client::Client& client,
                                 const client::Target& target) {
  const auto names = RegionNames(client, target);
  if (!names.ok()) return names.status();
  std::vector<std::string> layouts;  // as JSON
  bool first = true;
  for (const std::string& name : *names) {
    const auto layout = client.GetRegionLayout(name);
    const bool went_away = layout.status().code() == absl::StatusCode::kNotFound && !target.shmid.has_value();
    if (went_away) continue;
    if (!layout.ok()) return layout.status();
    if (context.structured()) {
      layouts.push_back(client::ToJson(*layout));
      continue;
    }
    if (!first) context.Print("\n");
    first = false;
    const absl::Status printed = PrintPicture(context, client, *layout);
    if (!printed.ok()) return printed;
  }
  if (context.structured()) {
    context.PrintJson(target.shmid.has_value()
                          ? layouts.front()
                          : client::JsonObject({{"layouts", client::JsonArray(layouts)}}));
  } else if (first) {
    context.Note("no regions");
  }
  return ExitCode::kOk;
}

struct MapArguments {
  std::string target;
  bool watch = false;
};

ExitCode Map(Context& context, const MapArguments& arguments) {
  const auto target = client::ParseTarget(arguments.target);
  if (!target.ok()) return context.Fail(target.status());
  if (context.several()) return context.Fail(OnlyOneEndpoint());
  return ShowOrWatch(context, arguments.watch, client::RegionName(*target),
                     [&target](Context& to, const Sources& sources) {
                       return ShowMap(to, WithinTimeout(to, sources.front()), *target);
                     });
}

}  // namespace

void AddMapCommand(CommandLine* line) {
  auto arguments = std::make_shared<MapArguments>();
  CLI::App* command = line->Add("map", "Draw the address space of a region, or of all regions of a back-end",
                                "map gpu0/2\nmap gpu0 --width 120\nmap gpu0/2 --watch\nmap gpu0/2 -o json",
                                [arguments](Context& context) { return Map(context, *arguments); });
  command->add_option("BACKEND[/SHMID]", arguments->target, "The back-end or region; all without it");
  AddWatchFlag(command, &arguments->watch);
}

}  // namespace shmemd::shmemctl
