// backends, regions, features, findings: one list each.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>

#include "client/print/backend_printer.h"
#include "client/print/finding_printer.h"
#include "client/print/region_printer.h"
#include "client/print/resource_name.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

// A target that must not name a region.
absl::StatusOr<client::Target> ParseBackend(const std::string& text) {
  auto target = client::ParseTarget(text);
  if (target.ok() && target->shmid.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("expected BACKEND, got the region ", text));
  }
  return target;
}

template <typename Items>
std::string Names(const Items& items) {
  std::string text;
  for (const auto& item : items) absl::StrAppend(&text, client::ShortName(item.name()), "\n");
  return text;
}

absl::StatusOr<ExitCode> ShowBackends(Context& context, const client::Client& client) {
  const auto list = client.ListBackends();
  if (!list.ok()) return list.status();
  if (context.structured()) {
    context.PrintMessage(*list, "backends");
  } else if (context.quiet()) {
    context.Print(Names(list->backends()));
  } else if (list->backends().empty()) {
    context.Note("no back-ends");
  } else {
    context.Print(client::RenderBackends(*list, context.style()));
  }
  return ExitCode::kOk;
}

// The back-ends that the list is about.
absl::StatusOr<v1::ListBackendsResponse> BackendsOf(const client::Client& client,
                                                    const client::Target& target) {
  if (target.backend.empty()) return client.ListBackends();
  auto backend = client.GetBackend(client::BackendName(target));
  if (!backend.ok()) return backend.status();
  v1::ListBackendsResponse list;
  *list.add_backends() = *std::move(backend);
  return list;
}

void PrintRegions(const Context& context, const v1::ListBackendsResponse& backends,
                  const v1::ListRegionsResponse& regions) {
  if (context.style().headers) {
    context.Print(client::RenderConfigs(backends, context.style()));
    if (!regions.regions().empty()) context.Print("\n");
  }
  if (regions.regions().empty()) {
    context.Note(backends.backends().empty() ? "no back-ends" : "no regions");
  } else {
    context.Print(client::RenderRegions(regions, context.style()));
  }
}

absl::StatusOr<ExitCode> ShowRegions(Context& context, const client::Client& client,
                                     const client::Target& target) {
  const auto list = client.ListRegions(client::BackendName(target));
  if (!list.ok()) return list.status();
  if (context.structured()) {
    context.PrintMessage(*list, "regions");
  } else if (context.quiet()) {
    context.Print(Names(list->regions()));
  } else {
    const auto backends = BackendsOf(client, target);
    if (!backends.ok()) return backends.status();
    PrintRegions(context, *backends, *list);
  }
  return ExitCode::kOk;
}

struct RegionsArguments {
  std::string backend;
  bool watch = false;
};

ExitCode Regions(Context& context, const RegionsArguments& arguments) {
  const auto target = ParseBackend(arguments.backend);
  if (!target.ok()) return context.Fail(target.status());
  return ShowOrWatch(
      context, arguments.watch, client::BackendName(*target),
      [&target](Context& to, const client::Client& client) { return ShowRegions(to, client, *target); });
}

void PrintFeatures(const Context& context, const v1::Backend& backend) {
  if (context.quiet()) {
    for (const std::string& name : backend.features().acked_protocol_feature_names())
      context.Print(name + "\n");
  } else if (!backend.has_features()) {
    context.Note(absl::StrCat(client::BackendId(backend.name()), " has not negotiated yet; it is ",
                              v1::Backend::State_Name(backend.state())));
  } else {
    context.Print(client::RenderFeatures(backend.features(), context.style()));
  }
}

ExitCode Features(Context& context, const std::string& argument) {
  const auto target = ParseBackend(argument);
  if (!target.ok()) return context.Fail(target.status());
  auto client = context.Connect(Role::kInspector);
  if (!client.ok()) return context.Fail(client.status());
  const auto backend = client->GetBackend(client::BackendName(*target));
  if (!backend.ok()) return context.Fail(backend.status(), context.asked());
  if (context.structured()) {
    context.PrintMessage(*backend);
  } else {
    PrintFeatures(context, *backend);
  }
  return ExitCode::kOk;
}

struct FindingsArguments {
  std::string backend;
  std::string fail_on = "never";
  bool all = false;
  bool watch = false;
};

// Whether an open finding is as bad as --fail-on says.
bool IsBad(const v1::ListFindingsResponse& list, const std::string& fail_on) {
  if (fail_on == "never") return false;
  const auto limit = fail_on == "error"     ? v1::Finding::ERROR
                     : fail_on == "warning" ? v1::Finding::WARNING
                                            : v1::Finding::INFO;
  for (const v1::Finding& finding : list.findings()) {
    if (finding.open() && finding.severity() >= limit) return true;
  }
  return false;
}

void PrintFindings(const Context& context, const v1::ListFindingsResponse& list, bool with_closed) {
  if (context.structured()) {
    context.PrintMessage(list, "findings");
  } else if (context.quiet()) {
    for (const v1::Finding& finding : list.findings()) {
      context.Print(absl::StrCat(client::ShortName(finding.resource()), " ", finding.code(), "\n"));
    }
  } else if (list.findings().empty()) {
    context.Note("no findings");
  } else {
    context.Print(client::RenderFindings(list, context.style(), with_closed));
  }
}

absl::StatusOr<ExitCode> ShowFindings(Context& context, const client::Client& client,
                                      const FindingsArguments& arguments, const std::string& parent) {
  const auto list = client.ListFindings(parent, arguments.all);
  if (!list.ok()) return list.status();
  PrintFindings(context, *list, arguments.all);
  return IsBad(*list, arguments.fail_on) ? ExitCode::kFindings : ExitCode::kOk;
}

ExitCode Findings(Context& context, const FindingsArguments& arguments) {
  const auto target = ParseBackend(arguments.backend);
  if (!target.ok()) return context.Fail(target.status());
  const std::string parent = client::BackendName(*target);
  return ShowOrWatch(context, arguments.watch, parent, [&](Context& to, const client::Client& client) {
    return ShowFindings(to, client, arguments, parent);
  });
}

}  // namespace

void AddListCommands(CommandLine* line) {
  auto watch = std::make_shared<bool>(false);
  CLI::App* backends =
      line->Add("backends", "List the attached back-ends", "backends\nbackends -o wide\nbackends --watch",
                [watch](Context& context) { return ShowOrWatch(context, *watch, "", ShowBackends); });
  AddWatchFlag(backends, watch.get());

  auto arguments = std::make_shared<RegionsArguments>();
  CLI::App* regions =
      line->Add("regions", "List shared memory regions, and what the back-end really sent about them",
                "regions\nregions gpu0\nregions gpu0 --watch",
                [arguments](Context& context) { return Regions(context, *arguments); });
  regions->add_option("BACKEND", arguments->backend, "Only of this back-end");
  AddWatchFlag(regions, &arguments->watch);

  auto features = std::make_shared<std::string>();
  line->Add("features", "Show the features that a back-end offered and that were acknowledged",
            "features gpu0\nfeatures gpu0 -o json",
            [features](Context& context) { return Features(context, *features); })
      ->add_option("BACKEND", *features, "The back-end")
      ->required();

  auto findings = std::make_shared<FindingsArguments>();
  CLI::App* command = line->Add("findings", "List what is odd, with its remedy (-o wide)",
                                "findings\nfindings gpu0 -o wide\nfindings --fail-on warning -q",
                                [findings](Context& context) { return Findings(context, *findings); });
  command->add_option("BACKEND", findings->backend, "Only of this back-end");
  AddWatchFlag(command, &findings->watch);
  command->add_flag("--all", findings->all, "Those that no longer hold, too");
  command
      ->add_option("--fail-on", findings->fail_on,
                   "Exit with 6 when an open one is at least this bad (never)")
      ->check(CLI::IsMember(std::set<std::string>{"never", "info", "warning", "error"}));
}

}  // namespace shmemd::shmemctl
