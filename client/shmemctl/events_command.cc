// events: what happened last.
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <memory>
#include <string>
#include <vector>

#include "client/print/event_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/shmemctl/follow_events.h"
#include "client/shmemctl/names.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

struct EventsArguments {
  std::string target;
  std::string since;
  std::vector<std::string> types;
  bool follow = false;
};

// "10m": so long ago; else a time.
absl::StatusOr<absl::Time> ParseSince(const std::string& text) {
  absl::Duration ago;
  if (absl::ParseDuration(text, &ago) && ago >= absl::ZeroDuration()) return absl::Now() - ago;
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  return absl::InvalidArgumentError(
      absl::StrCat("--since: expected a duration as 10m or a time as 2026-03-01T12:00:00Z, got ", text));
}

absl::StatusOr<v1::ListEventsRequest> MakeRequest(const EventsArguments& arguments) {
  v1::ListEventsRequest request;
  const auto target = client::ParseTarget(arguments.target);
  if (!target.ok()) return target.status();
  request.set_parent(client::RegionName(*target));
  for (const std::string& name : arguments.types) {
    v1::Event::Type type = v1::Event::TYPE_UNSPECIFIED;
    if (!v1::Event::Type_Parse(absl::AsciiStrToUpper(name), &type)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--type: expected types of events as MAPPED or DISCONNECTED, got ", name));
    }
    request.add_types(type);
  }
  if (arguments.since.empty()) return request;
  const absl::StatusOr<absl::Time> since = ParseSince(arguments.since);
  if (!since.ok()) return since.status();
  const int64_t nanos = absl::ToUnixNanos(*since);
  request.mutable_since()->set_seconds(absl::ToUnixSeconds(*since));
  request.mutable_since()->set_nanos(
      static_cast<int32_t>(nanos - absl::ToUnixSeconds(*since) * 1'000'000'000));
  return request;
}

void PrintEvents(const Context& context, const client::AnsweredList<v1::ListEventsResponse>& answers) {
  if (!context.quiet()) {
    if (!HasAny(answers, &v1::ListEventsResponse::events)) return context.Note("no events");
    return context.Print(client::RenderEvents(answers, context.style()));
  }
  for (const auto& [endpoint, answer] : answers) {
    for (const v1::Event& event : answer->events()) {
      context.Print(absl::StrCat(endpoint, endpoint.empty() ? "" : " ", event.revision(), " ",
                                 v1::Event::Type_Name(event.type()), "\n"));
    }
  }
}

Reading<v1::ListEventsResponse> ReadingOfEvents(const v1::ListEventsRequest& request) {
  return {.ask = [request](const client::Client& client) { return client.ListEvents(request); },
          .json = [](const v1::ListEventsResponse& answer) { return client::ToJson(answer, "events"); },
          .print = PrintEvents};
}

ExitCode Events(Context& context, const EventsArguments& arguments) {
  const auto request = MakeRequest(arguments);
  if (!request.ok()) return context.Fail(request.status());
  if (arguments.follow) return FollowEvents(context, *request);
  return ReadOrWatch(context, false, request->parent(), ReadingOfEvents(*request));
}

}  // namespace

void AddEventsCommand(CommandLine* line) {
  auto arguments = std::make_shared<EventsArguments>();
  CLI::App* command =
      line->Add("events", "List what happened last, oldest first; also of back-ends that are gone",
                "events\nevents gpu0 --since 10m\nevents -f\nevents gpu0/2 --type MAPPED,UNMAPPED -o json",
                [arguments](Context& context) { return Events(context, *arguments); });
  command->add_option("BACKEND[/SHMID]", arguments->target, "Only of this back-end or region");
  command->add_flag("-f,--follow", arguments->follow,
                    "Then those that come, until Ctrl-C; lines of JSON unless on a terminal");
  command->add_option("--since", arguments->since,
                      "Only from then on: 10m (so long ago) or 2026-03-01T12:00:00Z")
      ->type_name("WHEN");
  command->add_option("--type", arguments->types, "Only of these types, as MAPPED,DISCONNECTED")
      ->delimiter(',')
      ->type_name("TYPES");
}

}  // namespace shmemd::shmemctl
