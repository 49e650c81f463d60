// backends, regions, features, findings: one list each.
#include <absl/strings/str_cat.h>

#include <memory>
#include <string>

#include "client/print/backend_printer.h"
#include "client/print/finding_printer.h"
#include "client/print/region_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/shmemctl/fail_on.h"
#include "client/shmemctl/names.h"
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

Reading<v1::ListBackendsResponse> ReadingOfBackends() {
  using Answer = v1::ListBackendsResponse;
  return {.ask = [](const client::Client& client) { return client.ListBackends(); },
          .json = [](const Answer& answer) { return client::ToJson(answer, "backends"); },
          .print =
              [](const Context& context, const client::AnsweredList<Answer>& answers) {
                if (context.quiet()) {
                  PrintNames(context, answers, &Answer::backends);
                } else if (!HasAny(answers, &Answer::backends)) {
                  context.Note("no back-ends");
                } else {
                  context.Print(client::RenderBackends(answers, context.style()));
                }
              }};
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

struct Regions {
  v1::ListBackendsResponse backends;
  v1::ListRegionsResponse list;
};

void PrintRegions(const Context& context, const client::AnsweredList<Regions>& answers) {
  using List = v1::ListRegionsResponse;
  client::AnsweredList<List> lists;
  lists.reserve(answers.size());
  for (const auto& [endpoint, answer] : answers) lists.push_back({endpoint, &answer->list});
  if (context.quiet()) return PrintNames(context, lists, &List::regions);
  const bool any = HasAny(lists, &List::regions);
  const v1::ListBackendsResponse& backends = answers.front().answer->backends;
  // What was sent is worth a line for each back-end of one shmemd, but not for those of a whole fleet.
  if (context.style().headers && !context.several()) {
    context.Print(client::RenderConfigs(backends, context.style()));
    if (any) context.Print("\n");
  }
  if (any) return context.Print(client::RenderRegions(lists, context.style()));
  context.Note(!context.several() && backends.backends().empty() ? "no back-ends" : "no regions");
}

Reading<Regions> ReadingOfRegions(const client::Target& target, bool with_backends) {
  return {.ask = [target, with_backends](const client::Client& client) -> absl::StatusOr<Regions> {
            auto list = client.ListRegions(client::BackendName(target));
            if (!list.ok()) return list.status();
            if (!with_backends) return Regions{.backends = {}, .list = *std::move(list)};
            auto backends = BackendsOf(client, target);
            if (!backends.ok()) return backends.status();
            return Regions{*std::move(backends), *std::move(list)};
          },
          .json = [](const Regions& answer) { return client::ToJson(answer.list, "regions"); },
          .print = PrintRegions};
}

struct RegionsArguments {
  std::string backend;
  bool watch = false;
};

ExitCode ShowRegions(Context& context, const RegionsArguments& arguments) {
  const auto target = ParseBackend(arguments.backend);
  if (!target.ok()) return context.Fail(target.status());
  const bool with_backends = !context.structured() && !context.quiet() && !context.several();
  return ReadOrWatch(context, arguments.watch, client::BackendName(*target),
                     ReadingOfRegions(*target, with_backends));
}

void PrintFeatures(const Context& context, const v1::Backend& backend) {
  if (context.quiet()) {
    for (const std::string& name : backend.features().acked_protocol_feature_names())
      context.Print(client::Printable(name, true) + "\n");
  } else if (!backend.has_features()) {
    context.Note(absl::StrCat(client::Printable(client::BackendId(backend.name()), true),
                              " has not negotiated yet; it is ", v1::Backend::State_Name(backend.state())));
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

void PrintFindings(const Context& context, const client::AnsweredList<v1::ListFindingsResponse>& answers,
                   bool with_closed) {
  if (!context.quiet()) {
    if (!HasAny(answers, &v1::ListFindingsResponse::findings)) return context.Note("no findings");
    return context.Print(client::RenderFindings(answers, context.style(), with_closed));
  }
  for (const auto& [endpoint, answer] : answers) {
    for (const v1::Finding& finding : answer->findings()) {
      context.Print(QuietFinding(endpoint, finding));
    }
  }
}

Reading<v1::ListFindingsResponse> ReadingOfFindings(const FindingsArguments& arguments,
                                                    const std::string& parent) {
  using Answer = v1::ListFindingsResponse;
  const auto limit = ParseFailOn(arguments.fail_on);
  return {.ask = [parent, all = arguments.all](
                     const client::Client& client) { return client.ListFindings(parent, all); },
          .json = [](const Answer& answer) { return client::ToJson(answer, "findings"); },
          .print = [all = arguments.all](
                       const Context& context,
                       const client::AnsweredList<Answer>& answers) { PrintFindings(context, answers, all); },
          .judge =
              [limit](const Answer& answer) {
                return AnyAsBadAs(answer.findings(), limit) ? ExitCode::kFindings : ExitCode::kOk;
              }};
}

ExitCode Findings(Context& context, const FindingsArguments& arguments) {
  const auto target = ParseBackend(arguments.backend);
  if (!target.ok()) return context.Fail(target.status());
  const std::string parent = client::BackendName(*target);
  // Without a back-end: with those about shmemd itself.
  const std::string listed = target->backend.empty() ? "" : parent;
  return ReadOrWatch(context, arguments.watch, parent, ReadingOfFindings(arguments, listed));
}

}  // namespace

void AddListCommands(CommandLine* line) {
  auto watch = std::make_shared<bool>(false);
  CLI::App* backends =
      line->Add("backends", "List the attached back-ends",
                "backends\nbackends -o wide\nbackends --watch\nbackends --endpoints-from fleet.txt",
                [watch](Context& context) { return ReadOrWatch(context, *watch, "", ReadingOfBackends()); });
  AddWatchFlag(backends, watch.get());

  auto arguments = std::make_shared<RegionsArguments>();
  CLI::App* regions =
      line->Add("regions", "List shared memory regions, and what the back-end really sent about them",
                "regions\nregions gpu0\nregions gpu0 --watch",
                [arguments](Context& context) { return ShowRegions(context, *arguments); });
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
  AddFailOnFlag(command, &findings->fail_on);
}

}  // namespace shmemd::shmemctl
