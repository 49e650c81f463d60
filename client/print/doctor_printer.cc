#include "client/print/doctor_printer.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <utility>

#include "client/print/finding_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/print/text.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

constexpr int kWidthWithoutLimit = 100;

std::string Tally(const std::vector<v1::Finding>& problems) {
  std::vector<std::string> parts;
  for (const auto severity : {v1::Finding::ERROR, v1::Finding::WARNING, v1::Finding::INFO}) {
    const auto count =
        std::count_if(problems.begin(), problems.end(),
                      [severity](const v1::Finding& finding) { return finding.severity() == severity; });
    if (count > 0) parts.push_back(absl::StrCat(count, " ", v1::Finding::Severity_Name(severity)));
  }
  return parts.empty() ? "no problems" : absl::StrJoin(parts, ", ");
}

std::string Title(const std::string& endpoint, const DoctorReport& report, const PrintStyle& style) {
  const std::string name = endpoint.empty() ? report.endpoint : endpoint;
  const std::string who =
      report.reached ? absl::StrCat("shmemd ", report.server_version, " at ", name) : name;
  const std::string title = absl::StrCat(Printable(who, style.terminal.utf8), ": ", report.checks.size(),
                                         " checks, ", Tally(WorstFirst(report.checks)));
  return Wrapped("", title, style.wide ? 0 : style.terminal.width);
}

void AddLines(const std::string& lead, const std::string& text, const PrintStyle& style, std::string* to) {
  const int width = style.terminal.width > 0 ? style.terminal.width : kWidthWithoutLimit;
  absl::StrAppend(to, Wrapped(lead, Printable(text, style.terminal.utf8), width));
}

std::string Problem(const std::string& endpoint, const v1::Finding& finding, const PrintStyle& style) {
  const Cell severity = SeverityCell(finding.severity());
  const std::string where = Printable(ShortName(finding.resource()), style.terminal.utf8);
  std::string text = absl::StrCat("\n", Paint(severity.text, severity.color, style.terminal.color), "  ",
                                  Printable(endpoint, style.terminal.utf8), endpoint.empty() ? "" : "  ",
                                  where, "  ", Printable(finding.code(), false), "\n");
  AddLines("  ", finding.summary(), style, &text);
  if (!finding.evidence().empty()) AddLines("  seen:   ", EvidenceText(finding), style, &text);
  if (!finding.remedy().empty()) AddLines("  remedy: ", finding.remedy(), style, &text);
  return text;
}

std::string CheckToJson(const DoctorCheck& check) {
  std::vector<std::string> findings;
  findings.reserve(check.problems.size());
  for (const v1::Finding& problem : check.problems) findings.push_back(ToJson(problem));
  return JsonObject({{"subject", JsonString(check.subject)},
                     {"name", JsonString(check.name)},
                     {"what", JsonString(check.what)},
                     {"result", JsonString(findings.empty() ? "PASSED" : "FAILED")},
                     {"findings", JsonArray(findings)}});
}

// "backends/gpu0" -> "shmemd.backends.gpu0".
std::string ClassOf(const std::string& subject) {
  std::string name = subject;
  std::replace(name.begin(), name.end(), '/', '.');
  return absl::StrCat("shmemd.", name);
}

}  // namespace

std::string RenderDoctor(const AnsweredList<DoctorReport>& reports, const PrintStyle& style) {
  std::string text;
  std::vector<std::pair<std::string, v1::Finding>> problems;
  for (const auto& [endpoint, report] : reports) {
    if (style.headers) text += Title(endpoint, *report, style);
    for (v1::Finding& finding : WorstFirst(report->checks))
      problems.emplace_back(endpoint, std::move(finding));
  }
  std::stable_sort(problems.begin(), problems.end(),
                   [](const auto& a, const auto& b) { return a.second.severity() > b.second.severity(); });
  if (!style.wide) {
    for (const auto& [endpoint, finding] : problems) text += Problem(endpoint, finding, style);
    return text;
  }
  std::vector<v1::ListFindingsResponse> lists(problems.size());
  AnsweredList<v1::ListFindingsResponse> rows;
  for (size_t i = 0; i < problems.size(); ++i) {
    *lists[i].add_findings() = problems[i].second;
    rows.push_back({problems[i].first, &lists[i]});
  }
  return rows.empty() ? text : absl::StrCat(text, RenderFindings(rows, style, false));
}

std::string DoctorToJson(const DoctorReport& report) {
  std::vector<std::string> checks;
  checks.reserve(report.checks.size());
  for (const DoctorCheck& check : report.checks) checks.push_back(CheckToJson(check));
  std::vector<std::pair<std::string, std::string>> fields;
  if (report.reached) fields.emplace_back("serverVersion", JsonString(report.server_version));
  fields.emplace_back("clientVersion", JsonString(report.client_version));
  fields.emplace_back("checks", JsonArray(checks));
  return JsonObject(fields);
}

JunitSuite DoctorToJunit(const DoctorReport& report, v1::Finding::Severity limit) {
  JunitSuite suite{.name = absl::StrCat("doctor of ", report.endpoint)};
  for (const DoctorCheck& check : report.checks) {
    JunitCase& one =
        suite.cases.emplace_back(JunitCase{.class_name = ClassOf(check.subject), .name = check.name});
    for (const v1::Finding& problem : check.problems) {
      if (problem.severity() < limit) continue;
      one.result = JunitCase::Result::kFailed;
      const std::string line = absl::StrCat(ShortName(problem.resource()), ": ", problem.summary());
      if (one.message.empty()) one.message = line;
      absl::StrAppend(&one.text, one.text.empty() ? "" : " | ",
                      v1::Finding::Severity_Name(problem.severity()), " ", problem.code(), " ", line,
                      " Remedy: ", problem.remedy());
    }
  }
  return suite;
}

}  // namespace shmemd::client
