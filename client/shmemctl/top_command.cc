// top: what goes on, region by region, again and again.
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/clock.h>
#include <absl/time/time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "client/print/screen.h"
#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/print/top_printer.h"
#include "client/shmemctl/follow.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct TopArguments {
  double interval_seconds = 1;
  int64_t iterations = 0;
  std::string sort = "maps";
};

client::RateOrder OrderOf(const std::string& word) {
  const std::vector<std::pair<const char*, client::RateOrder>> orders = {
      {"unmaps", client::RateOrder::kUnmaps},   {"bytes", client::RateOrder::kBytes},
      {"mapped", client::RateOrder::kMapped},   {"used", client::RateOrder::kUsed},
      {"at-risk", client::RateOrder::kAtRisk},  {"failures", client::RateOrder::kFailures},
      {"latency", client::RateOrder::kLatency}, {"name", client::RateOrder::kName}};
  for (const auto& [name, order] : orders) {
    if (word == name) return order;
  }
  return client::RateOrder::kMaps;
}

absl::StatusOr<client::RateLook> Look(const client::Client& client, const client::RateMeter& meter) {
  client::RateLook look;
  auto info = client.GetServerInfo();
  if (!info.ok()) return info.status();
  look.info = *std::move(info);
  auto backends = client.ListBackends();
  if (!backends.ok()) return backends.status();
  look.backends = *std::move(backends);
  auto regions = client.ListRegions();
  look.time = Clock::now();
  if (!regions.ok()) return regions.status();
  look.regions = *std::move(regions);
  v1::ListEventsRequest request;
  for (const v1::Event::Type type :
       {v1::Event::MAPPED, v1::Event::MAP_FAILED, v1::Event::UNMAPPED, v1::Event::UNMAP_FAILED}) {
    request.add_types(type);
  }
  if (meter.newest_event()) *request.mutable_since() = *meter.newest_event();
  auto events = client.ListEvents(request);
  if (!events.ok()) return events.status();
  look.events = *std::move(events);
  return look;
}

class Top {
 public:
  Top(Context& context, const Sources& sources, const TopArguments& arguments)
      : context_(context),
        sources_(sources),
        order_(OrderOf(arguments.sort)),
        // Who does not answer holds up the others, so not for long.
        patience_(std::min(context.timeout(),
                           std::max(milliseconds(2000),
                                    milliseconds(static_cast<int64_t>(arguments.interval_seconds * 1000))))),
        meters_(sources.size()),
        views_(sources.size()) {}

  // Asks all. What the only one of them said that did not answer; OK else.
  absl::Status Read() {
    const bool first = !any_;
    const auto patience = first ? context_.timeout() : patience_;
    ForEachAtOnce(sources_.size(), [&](size_t i) {
      const auto client = sources_[i].client.WithDeadline(std::chrono::system_clock::now() + patience);
      const auto look = Look(client, meters_[i]);
      if (!look.ok()) {
        views_[i] = look.status();
        return;
      }
      client::TopView view{.interval_seconds = std::nullopt, .rates = meters_[i].Take(*look)};
      view.interval_seconds = meters_[i].interval();
      views_[i] = std::move(view);
    });
    any_ = any_ || answered();
    if (answered()) answered_at_ = absl::Now();
    return context_.several() ? absl::OkStatus() : views_.front().status();
  }

  // Whether anybody ever answered.
  bool any() const { return any_; }
  // Whether anybody did the last time.
  bool answered() const { return missing().size() < sources_.size(); }

  void Print() {
    const std::string notes = Notes();
    // Of those who did not answer nothing is known: what was known last stays.
    if (answered()) shown_ = Answers();
    if (context_.on_terminal()) {
      context_.MeasureTerminal();
      const int columns = client::ColumnsOf(fileno(stdout));
      context_.Print(screen_.Draw(absl::StrCat(client::Wrapped("", Title(), columns), "\n", Table(),
                                               notes.empty() ? "" : "\n", notes),
                                  client::RowsOf(fileno(stdout)), columns));
    } else {
      if (context_.json_lines()) {
        PrintLine();
      } else if (answered()) {
        context_.Print(absl::StrCat(printed_ ? "\n" : "", Table()));
      }
      if (notes != noted_ && !notes.empty()) context_.Note(notes.substr(0, notes.size() - 1));
      noted_ = notes;
    }
    printed_ = true;
    context_.Flush();
  }

  ExitCode Code() const { return missing().empty() ? ExitCode::kOk : ExitCode::kUnreachable; }

 private:
  // Of the last look.
  std::vector<size_t> missing() const {
    std::vector<size_t> places;
    for (size_t i = 0; i < views_.size(); ++i) {
      if (!views_[i].ok()) places.push_back(i);
    }
    return places;
  }

  std::string Title() const {
    constexpr char kClock[] = "%H:%M:%S";
    const absl::TimeZone zone = absl::UTCTimeZone();
    std::string title = absl::StrCat(absl::FormatTime(kClock, absl::Now(), zone), " UTC, q or Ctrl-C ends");
    if (!answered()) {
      absl::StrAppend(&title, "; no answer since ", absl::FormatTime(kClock, answered_at_, zone));
    } else if (!missing().empty()) {
      absl::StrAppend(&title, "; ", SayMissing(sources_, missing()));
    }
    return title;
  }

  std::vector<std::pair<std::string, client::TopView>> Answers() const {
    std::vector<std::pair<std::string, client::TopView>> answers;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (views_[i].ok()) answers.emplace_back(sources_[i].label, *views_[i]);
    }
    return answers;
  }

  std::string Table() const {
    client::AnsweredList<client::TopView> answers;
    answers.reserve(shown_.size());
    for (const auto& [label, view] : shown_) answers.push_back({label, &view});
    return answers.empty() ? "" : client::RenderTop(answers, order_, context_.style(), sources_.size());
  }

  std::string Notes() const {
    std::string notes;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (views_[i].ok()) continue;
      absl::StrAppend(&notes, "shmemctl: ", DescribeError(views_[i].status(), sources_[i].endpoint), "\n");
    }
    return notes;
  }

  void PrintLine() {
    google::protobuf::Timestamp now;
    now.set_seconds(absl::ToUnixSeconds(absl::Now()));
    std::vector<std::string> items;
    items.reserve(sources_.size());
    for (size_t i = 0; i < sources_.size(); ++i) {
      const auto& view = views_[i];
      if (!context_.several()) {
        if (view.ok()) context_.PrintJson(client::TopToJson(*view, order_, now));
        return;
      }
      items.push_back(view.ok() ? AnswerJson(sources_[i], client::TopToJson(*view, order_, now))
                                : ErrorJson(sources_[i], view.status()));
    }
    context_.PrintJson(EndpointsJson(items));
  }

  Context& context_;
  const Sources& sources_;
  const client::RateOrder order_;
  const milliseconds patience_;
  std::vector<client::RateMeter> meters_;
  std::vector<absl::StatusOr<client::TopView>> views_;
  std::vector<std::pair<std::string, client::TopView>>
      shown_;  // by label: of the last look that was answered
  absl::Time answered_at_ = absl::InfinitePast();
  client::Screen screen_;
  std::string noted_;
  bool any_ = false;
  bool printed_ = false;
};

// Until the next look is due; draws again meanwhile if the terminal has another size. kTimeout: it is.
Follow::Wake WaitUntil(Clock::time_point due, Follow& follow, Top& top, bool on_terminal) {
  while (true) {
    const auto left = std::chrono::duration_cast<milliseconds>(due - Clock::now());
    const Follow::Wake wake = follow.Wait(std::max(left, milliseconds(0)));
    if (wake == Follow::Wake::kEnd) return wake;
    if (wake == Follow::Wake::kResize && on_terminal) {
      follow.Await([&top] { top.Print(); });
    } else if (Clock::now() >= due - milliseconds(1)) {
      return Follow::Wake::kTimeout;
    }
  }
}

ExitCode RunTop(Context& context, const TopArguments& arguments) {
  const absl::Status possible = context.FollowOn(Piped::kBlocks);
  if (!possible.ok()) return context.Fail(possible);
  // Before there are threads: those of gRPC shall not take our signals.
  Follow follow(context.on_terminal());
  const auto sources = context.Sources();
  if (!sources.ok()) return context.Fail(sources.status());
  Top top(context, *sources, arguments);
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(arguments.interval_seconds));
  // The first look has nothing to compare with: only a terminal shows it.
  for (int64_t done = 0;; ++done) {
    const auto begin = Clock::now();
    absl::Status status;
    follow.Await([&] { status = top.Read(); });
    if (!top.any() && !status.ok()) return context.Fail(status, context.asked());
    if (!top.any() && done == 0) {
      top.Print();
      return top.Code();
    }
    if (done > 0 || context.on_terminal()) follow.Await([&top] { top.Print(); });
    if (!context.Flush()) return ExitCode::kGeneric;
    if (arguments.iterations > 0 && done == arguments.iterations) return top.Code();
    if (WaitUntil(begin + interval, follow, top, context.on_terminal()) == Follow::Wake::kEnd)
      return ExitCode::kOk;
  }
}

}  // namespace

void AddTopCommand(CommandLine* line) {
  auto arguments = std::make_shared<TopArguments>();
  CLI::App* command =
      line->Add("top", "Show what goes on: maps, bytes and failures a second, and how long answers take",
                "top\ntop --sort used\ntop -d 5 -n 12 -o json\ntop --endpoints-from fleet.txt",
                [arguments](Context& context) { return RunTop(context, *arguments); });
  command->add_option("-d,--interval", arguments->interval_seconds, "Seconds between two looks (1)")
      ->check(CLI::Range(0.1, 3600.0))
      ->type_name("SECONDS");
  command
      ->add_option("-n,--iterations", arguments->iterations,
                   "End after so many intervals (0: never); the look before the first has no rates")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000}))
      ->type_name("COUNT");
  command->add_option("--sort", arguments->sort, "What comes first: most of it (maps)")
      ->check(CLI::IsMember(std::set<std::string>{"maps", "unmaps", "bytes", "mapped", "used", "at-risk",
                                                  "failures", "latency", "name"}));
}

}  // namespace shmemd::shmemctl
