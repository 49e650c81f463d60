#include "client/print/finding_printer.h"

#include <absl/strings/str_cat.h>

#include <map>
#include <vector>

#include "client/print/resource_name.h"
#include "client/print/units.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

std::vector<Cell> Cells(const v1::Finding& finding, const PrintStyle& style, bool with_open) {
  const std::string open = finding.open() ? "yes" : "no";
  std::vector<Cell> cells = {
      SeverityCell(finding.severity()),         finding.code(),        ShortName(finding.resource()),
      absl::StrCat(finding.occurrence_count()), with_open ? open : "", finding.summary()};
  if (style.wide) {
    cells.insert(cells.end(), {finding.remedy(), EvidenceText(finding), FormatTime(finding.first_seen_time()),
                               FormatTime(finding.last_seen_time())});
  }
  return cells;
}

}  // namespace

std::string EvidenceText(const v1::Finding& finding) {
  // Sorted by name: a protobuf map has no order.
  const std::map<std::string, std::string> sorted(finding.evidence().begin(), finding.evidence().end());
  std::string text;
  for (const auto& [name, value] : sorted) absl::StrAppend(&text, text.empty() ? "" : " ", name, "=", value);
  return text;
}

Cell SeverityCell(v1::Finding::Severity severity) {
  Color color = Color::kNone;
  if (severity == v1::Finding::WARNING) color = Color::kYellow;
  if (severity == v1::Finding::ERROR) color = Color::kRed;
  return {v1::Finding::Severity_Name(severity), color};
}

std::string RenderFindings(const AnsweredList<v1::ListFindingsResponse>& answers, const PrintStyle& style,
                           bool with_closed) {
  std::vector<Column> columns = {{"SEVERITY"},
                                 {"CODE", Align::kLeft, 16},
                                 {"RESOURCE", Align::kLeft, 10},
                                 {"COUNT", Align::kRight, 0, true},
                                 {"OPEN"},
                                 {"SUMMARY", Align::kLeft, 20}};
  if (style.wide) columns.insert(columns.end(), {{"REMEDY"}, {"EVIDENCE"}, {"FIRST SEEN"}, {"LAST SEEN"}});
  const bool with_open = with_closed || style.wide;
  Table table(std::move(columns));
  for (const auto& [endpoint, answer] : answers) {
    table.SetEndpoint(endpoint);
    for (const v1::Finding& finding : answer->findings()) table.AddRow(Cells(finding, style, with_open));
  }
  return table.Render(style);
}

}  // namespace shmemd::client
