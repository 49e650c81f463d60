#include "client/print/probe_printer.h"

#include <absl/strings/str_cat.h>

#include <vector>

#include "client/print/backend_printer.h"
#include "client/print/junit.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Check = v1::ProbeReport::Check;

constexpr char kJunitClass[] = "vhost.shmem.probe";

Cell ResultCell(Check::Result result) {
  switch (result) {
    case Check::PASSED:
      return {"pass", Color::kGreen};
    case Check::FAILED:
      return {"FAIL", Color::kRed};
    default:
      return {"skip", Color::kDim};
  }
}

std::string Summary(const v1::ProbeReport& report, const PrintStyle& style) {
  const ProbeTally tally = TallyOf(report);
  std::string text =
      absl::StrCat("probe of ", Printable(report.socket(), style.terminal.utf8), ": ", tally.passed,
                   " passed, ", tally.failed, " failed, ", tally.skipped, " skipped");
  if (report.has_duration()) absl::StrAppend(&text, ", ", FormatDuration(report.duration()));
  text = Wrapped("", text, style.wide ? 0 : style.terminal.width);
  if (report.has_config()) absl::StrAppend(&text, "what it sent: ", DescribeConfig(report.config()), "\n");
  if (!report.failure().empty()) {
    const std::string failure =
        absl::StrCat("it ended early: ", Printable(report.failure(), style.terminal.utf8));
    absl::StrAppend(&text, Paint(failure, Color::kRed, style.terminal.color), "\n");
  }
  return text;
}

std::string Regions(const v1::ProbeReport& report, const PrintStyle& style) {
  if (report.regions().empty()) return "";
  Table table({{"SHMID", Align::kRight}, {"SIZE", Align::kRight}, {"BYTES", Align::kRight}});
  for (const v1::Region& region : report.regions()) {
    table.AddRow({absl::StrCat(region.shmid()), FormatBytes(region.size_bytes(), style.bytes),
                  FormatBytes(region.size_bytes(), /*plain=*/true)});
  }
  return absl::StrCat("\n", table.Render(style));
}

std::string Checks(const v1::ProbeReport& report, const PrintStyle& style) {
  std::vector<Column> columns = {{"RESULT"}, {"RULE", Align::kLeft, 16}, {"EVIDENCE", Align::kLeft, 20}};
  if (style.wide) columns.insert(columns.end(), {{"WHAT IT SAYS"}, {"SOURCE"}});
  Table table(std::move(columns));
  for (const Check& check : report.checks()) {
    std::vector<Cell> cells = {ResultCell(check.result()), check.rule(), check.evidence()};
    if (style.wide) cells.insert(cells.end(), {check.description(), check.source()});
    table.AddRow(std::move(cells));
  }
  return report.checks().empty() ? "" : absl::StrCat("\n", table.Render(style));
}

// Whole sentences, so lines here may be longer than the terminal is wide: nothing of a broken rule is cut.
std::string BrokenRules(const v1::ProbeReport& report, const PrintStyle& style) {
  std::string text;
  const bool utf8 = style.terminal.utf8;
  for (const Check& check : report.checks()) {
    if (check.result() != Check::FAILED) continue;
    absl::StrAppend(&text, "\n", Paint(Printable(check.rule(), utf8), Color::kRed, style.terminal.color),
                    "\n  rule:   ", Printable(check.description(), utf8),
                    "\n  source: ", Printable(check.source(), utf8),
                    "\n  seen:   ", Printable(check.evidence(), utf8), "\n");
  }
  return text;
}

JunitCase JunitOf(const Check& check) {
  JunitCase one{.class_name = kJunitClass, .name = check.rule()};
  if (check.result() == Check::PASSED) return one;
  one.result = check.result() == Check::FAILED ? JunitCase::Result::kFailed : JunitCase::Result::kSkipped;
  one.message = check.evidence();
  if (check.result() == Check::FAILED)
    one.text = absl::StrCat(check.description(), " (", check.source(), ")");
  return one;
}

JunitCase JunitOfConversation(const v1::ProbeReport& report) {
  JunitCase one{.class_name = kJunitClass, .name = "conversation"};
  if (report.failure().empty()) return one;
  one.result = JunitCase::Result::kError;
  one.message = report.failure();
  return one;
}

}  // namespace

ProbeTally TallyOf(const v1::ProbeReport& report) {
  ProbeTally tally;
  for (const Check& check : report.checks()) {
    int& count = check.result() == Check::PASSED   ? tally.passed
                 : check.result() == Check::FAILED ? tally.failed
                                                   : tally.skipped;
    ++count;
  }
  return tally;
}

std::string RenderProbe(const v1::ProbeReport& report, const PrintStyle& style) {
  std::string text = style.headers ? Summary(report, style) : "";
  absl::StrAppend(&text, Regions(report, style), Checks(report, style));
  return style.headers ? text += BrokenRules(report, style) : text;
}

std::string ProbeToJunit(const v1::ProbeReport& report) {
  JunitSuite suite{.name = absl::StrCat("probe of ", report.socket())};
  suite.seconds = static_cast<double>(report.duration().seconds()) + report.duration().nanos() / 1e9;
  suite.time = report.start_time();
  suite.cases.push_back(JunitOfConversation(report));
  for (const Check& check : report.checks()) suite.cases.push_back(JunitOf(check));
  return RenderJunit({suite});
}

}  // namespace shmemd::client
