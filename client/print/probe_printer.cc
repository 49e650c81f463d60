#include "client/print/probe_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include <vector>

#include "client/print/backend_printer.h"
#include "client/print/text.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Check = v1::ProbeReport::Check;

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
  text += '\n';
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

std::string Xml(const std::string& text) {
  std::string escaped;
  for (const char c : Printable(text, true)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string JunitCase(const Check& check) {
  std::string text =
      absl::StrCat("    <testcase classname=\"vhost.shmem.probe\" name=\"", Xml(check.rule()), "\"");
  if (check.result() == Check::PASSED) return absl::StrCat(text, "/>\n");
  if (check.result() == Check::FAILED) {
    absl::StrAppend(&text, ">\n      <failure message=\"", Xml(check.evidence()), "\">",
                    Xml(check.description()), " (", Xml(check.source()), ")</failure>\n");
  } else {
    absl::StrAppend(&text, ">\n      <skipped message=\"", Xml(check.evidence()), "\"/>\n");
  }
  return text += "    </testcase>\n";
}

std::string JunitConversation(const v1::ProbeReport& report) {
  const std::string open = "    <testcase classname=\"vhost.shmem.probe\" name=\"conversation\"";
  if (report.failure().empty()) return absl::StrCat(open, "/>\n");
  return absl::StrCat(open, ">\n      <error message=\"", Xml(report.failure()), "\"/>\n    </testcase>\n");
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
  const ProbeTally tally = TallyOf(report);
  const double seconds = static_cast<double>(report.duration().seconds()) + report.duration().nanos() / 1e9;
  std::string text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  absl::StrAppendFormat(&text,
                        "  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\" "
                        "time=\"%.6f\" timestamp=\"%s\">\n",
                        Xml(absl::StrCat("probe of ", report.socket())), report.checks_size() + 1,
                        tally.failed, report.failure().empty() ? 0 : 1, tally.skipped, seconds,
                        FormatTime(report.start_time()));
  text += JunitConversation(report);
  for (const Check& check : report.checks()) text += JunitCase(check);
  return text += "  </testsuite>\n</testsuites>\n";
}

}  // namespace shmemd::client
