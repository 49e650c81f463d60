#include "client/print/status_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "client/print/finding_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr size_t kWorst = 5;

template <typename Enum>
using Counts = std::map<Enum, int64_t>;

struct Totals {
  v1::BackendTotals sums;  // over all back-ends
  Counts<v1::Backend::State> states;
  Counts<v1::Finding::Severity> findings;  // the open ones of shmemd
  int64_t up = 0;
};

// A sum beyond int64 stays at its end.
int64_t Sum(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

Totals TotalsOf(const ServerView& view) {
  Totals totals;
  v1::BackendTotals& sums = totals.sums;
  for (const v1::Backend& backend : view.backends.backends()) {
    const v1::BackendTotals& of = backend.totals();
    sums.set_region_count(sums.region_count() + of.region_count());
    sums.set_mapping_count(sums.mapping_count() + of.mapping_count());
    sums.set_size_bytes(Sum(sums.size_bytes(), of.size_bytes()));
    sums.set_mapped_bytes(Sum(sums.mapped_bytes(), of.mapped_bytes()));
    sums.set_stale_bytes(Sum(sums.stale_bytes(), of.stale_bytes()));
    sums.set_at_risk_bytes(Sum(sums.at_risk_bytes(), of.at_risk_bytes()));
    ++totals.states[backend.state()];
    if (backend.state() == v1::Backend::ACTIVE || backend.state() == v1::Backend::PROBED) ++totals.up;
  }
  for (const v1::Finding& finding : view.findings.findings()) {
    if (finding.open()) ++totals.findings[finding.severity()];
  }
  sums.set_open_finding_count(0);
  for (const auto& [severity, count] : totals.findings) {
    sums.set_open_finding_count(sums.open_finding_count() + count);
  }
  return totals;
}

absl::Duration AgeOf(const ServerView& view, absl::Time now) {
  const auto& start = view.info.start_time();
  return now - absl::FromUnixSeconds(start.seconds()) - absl::Nanoseconds(start.nanos());
}

std::string StatesText(const Totals& totals) {
  std::vector<std::string> parts;
  parts.reserve(totals.states.size());
  for (const auto& [state, count] : totals.states) {
    parts.push_back(absl::StrCat(count, " ", v1::Backend::State_Name(state)));
  }
  return absl::StrJoin(parts, ", ");
}

// All that a doctor finds, the findings of shmemd among it: what the table below lists.
Counts<v1::Finding::Severity> ProblemsOf(const ServerView& view, const StatusOptions& options) {
  Counts<v1::Finding::Severity> counts;
  for (const DoctorCheck& check : Diagnose(view, options.client_version)) {
    for (const v1::Finding& finding : check.problems) ++counts[finding.severity()];
  }
  return counts;
}

std::string SeveritiesText(const Counts<v1::Finding::Severity>& counts) {
  std::vector<std::string> parts;
  // The worst first.
  for (auto entry = counts.rbegin(); entry != counts.rend(); ++entry) {
    parts.push_back(absl::StrCat(entry->second, " ", v1::Finding::Severity_Name(entry->first)));
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ", ");
}

Cell Bytes(int64_t bytes, const PrintStyle& style, Color color) {
  return {FormatBytes(bytes, style.bytes), bytes > 0 ? color : Color::kNone};
}

Cell Found(const Counts<v1::Finding::Severity>& counts, v1::Finding::Severity severity, Color color) {
  const auto found = counts.find(severity);
  if (found == counts.end()) return {"0"};
  return {absl::StrCat(found->second), color};
}

std::string Counted(int64_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

std::string One(const ServerView& view, const StatusOptions& options, const PrintStyle& style) {
  const Totals totals = TotalsOf(view);
  const v1::BackendTotals& sums = totals.sums;
  const int64_t backends = view.backends.backends_size();
  PrintStyle plain = style;
  plain.headers = false;
  Table table({{"WHAT"}, {"HOW MUCH", Align::kLeft, 20}});
  const auto add = [&table](const char* what, Cell cell) {
    table.AddRow({std::string(what), std::move(cell)});
  };
  add("shmemd", absl::StrCat(view.info.version(), " at ", options.endpoint));
  add("health", Cell(absl::StrCat(view.health, ", up ", FormatAge(AgeOf(view, options.now)),
                                  view.info.synced() ? "" : ", catching up with lost events"),
                     view.health == "SERVING" ? Color::kGreen : Color::kRed));
  const std::string states = StatesText(totals);
  add("back-ends", Cell(absl::StrCat(backends, states.empty() ? "" : ": ", states),
                        totals.up < backends ? Color::kYellow : Color::kNone));
  add("regions", absl::StrCat(sums.region_count(), " of ", FormatBytes(sums.size_bytes(), style.bytes)));
  add("mapped", absl::StrCat(FormatBytes(sums.mapped_bytes(), style.bytes), " (",
                             FormatShare(sums.mapped_bytes(), sums.size_bytes()), ") in ",
                             Counted(sums.mapping_count(), "mapping")));
  add("at risk", Bytes(sums.at_risk_bytes(), style, Color::kRed));
  add("stale", Bytes(sums.stale_bytes(), style, Color::kRed));
  add("problems", SeveritiesText(ProblemsOf(view, options)));
  return table.Render(plain);
}

std::string Many(const AnsweredList<ServerView>& views, const StatusOptions& options,
                 const PrintStyle& style) {
  Table table({{"VERSION", Align::kLeft, 0, true},
               {"UP", Align::kRight, 0, true},
               {"BACK-ENDS", Align::kRight},
               {"MAPPED", Align::kRight},
               {"USED", Align::kRight},
               {"AT RISK", Align::kRight},
               {"STALE", Align::kRight},
               {"ERRORS", Align::kRight},
               {"WARNINGS", Align::kRight}});
  for (const auto& [endpoint, view] : views) {
    const Totals totals = TotalsOf(*view);
    const Counts<v1::Finding::Severity> problems = ProblemsOf(*view, options);
    const v1::BackendTotals& sums = totals.sums;
    const int64_t backends = view->backends.backends_size();
    table.SetEndpoint(endpoint);
    table.AddRow(
        {view->info.version(), FormatAge(AgeOf(*view, options.now)),
         Cell(absl::StrCat(totals.up, "/", backends), totals.up < backends ? Color::kYellow : Color::kNone),
         FormatBytes(sums.mapped_bytes(), style.bytes), FormatShare(sums.mapped_bytes(), sums.size_bytes()),
         Bytes(sums.at_risk_bytes(), style, Color::kRed), Bytes(sums.stale_bytes(), style, Color::kRed),
         Found(problems, v1::Finding::ERROR, Color::kRed),
         Found(problems, v1::Finding::WARNING, Color::kYellow)});
  }
  return table.Render(style);
}

struct Bad {
  std::string endpoint;
  v1::Finding finding;
};

std::vector<Bad> WorstOf(const AnsweredList<ServerView>& views, const StatusOptions& options) {
  std::vector<Bad> all;
  for (const auto& [endpoint, view] : views) {
    for (v1::Finding& finding : WorstFirst(Diagnose(*view, options.client_version))) {
      all.push_back({endpoint, std::move(finding)});
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Bad& a, const Bad& b) { return a.finding.severity() > b.finding.severity(); });
  return all;
}

std::string Worst(const std::vector<Bad>& all, const PrintStyle& style) {
  Table table({{"WORST"},
               {"RESOURCE", Align::kLeft, 8},
               {"CODE", Align::kLeft, 16, true},
               {"SUMMARY", Align::kLeft, 20}});
  for (size_t i = 0; i < std::min(all.size(), kWorst); ++i) {
    const v1::Finding& finding = all[i].finding;
    table.SetEndpoint(all[i].endpoint);
    table.AddRow(
        {SeverityCell(finding.severity()), ShortName(finding.resource()), finding.code(), finding.summary()});
  }
  std::string text = table.Render(style);
  if (all.size() > kWorst && style.headers) {
    absl::StrAppend(&text, all.size() - kWorst, " more: shmemctl doctor\n");
  }
  return text;
}

template <typename Enum>
std::string CountsToJson(const Counts<Enum>& counts, const std::string& (*name)(Enum)) {
  std::vector<std::pair<std::string, std::string>> fields;
  fields.reserve(counts.size());
  for (const auto& [value, count] : counts) fields.emplace_back(name(value), absl::StrCat(count));
  return JsonObject(fields);
}

}  // namespace

std::string FormatAge(absl::Duration age) {
  const int64_t seconds = std::max<int64_t>(absl::ToInt64Seconds(age), 0);
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  if (hours >= 24) return absl::StrCat(hours / 24, "d ", hours % 24, "h");
  if (hours > 0) return absl::StrCat(hours, "h ", minutes % 60, "m");
  return minutes > 0 ? absl::StrCat(minutes, "m") : absl::StrCat(seconds, "s");
}

std::string RenderStatus(const AnsweredList<ServerView>& views, const StatusOptions& options,
                         const PrintStyle& style) {
  const bool one = views.size() == 1 && views.front().endpoint.empty();
  std::string text = one ? One(*views.front().answer, options, style) : Many(views, options, style);
  const std::vector<Bad> worst = WorstOf(views, options);
  return worst.empty() ? text : absl::StrCat(text, "\n", Worst(worst, style));
}

std::string StatusToJson(const ServerView& view, const StatusOptions& options) {
  Totals totals = TotalsOf(view);
  Counts<v1::Finding::Severity> counts = ProblemsOf(view, options);
  // All of them, also where there are none.
  for (const auto severity : {v1::Finding::ERROR, v1::Finding::WARNING, v1::Finding::INFO}) {
    totals.findings[severity];
    counts[severity];
  }
  std::vector<std::string> worst;
  const auto problems = WorstFirst(Diagnose(view, options.client_version));
  worst.reserve(kWorst);
  for (size_t i = 0; i < std::min(problems.size(), kWorst); ++i) worst.push_back(ToJson(problems[i]));
  std::string states = CountsToJson<v1::Backend::State>(
      totals.states,
      [](v1::Backend::State state) -> const std::string& { return v1::Backend::State_Name(state); });
  const auto severity_name = [](v1::Finding::Severity severity) -> const std::string& {
    return v1::Finding::Severity_Name(severity);
  };
  return JsonObject({{"server", ToJson(view.info)},
                     {"health", JsonString(view.health)},
                     {"backendStates", std::move(states)},
                     {"totals", ToJson(totals.sums)},
                     {"openFindings", CountsToJson<v1::Finding::Severity>(totals.findings, severity_name)},
                     {"problems", CountsToJson<v1::Finding::Severity>(counts, severity_name)},
                     {"worst", JsonArray(worst)}});
}

}  // namespace shmemd::client
