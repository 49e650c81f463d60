// doctor: all that is wrong, with what to do about it.
#include <absl/strings/str_cat.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client/print/doctor_printer.h"
#include "client/print/structured.h"
#include "client/shmemctl/fail_on.h"
#include "client/shmemctl/look.h"
#include "client/shmemctl/names.h"
#include "client/shmemctl/show.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

using client::DoctorReport;
using client::ServerView;
using Answers = std::vector<absl::StatusOr<ServerView>>;

struct DoctorArguments {
  std::string fail_on = "never";
  bool watch = false;
};

DoctorReport ReportOf(const Source& source, const absl::StatusOr<ServerView>& answer) {
  DoctorReport report{.reached = answer.ok(),
                      .endpoint = source.endpoint.text(),
                      .server_version = "",
                      .client_version = SHMEMD_VERSION,
                      .checks = {}};
  if (answer.ok()) {
    report.server_version = answer->info.version();
    report.checks = client::Diagnose(*answer, SHMEMD_VERSION);
  } else {
    report.checks = client::DiagnoseUnreachable(DescribeError(answer.status(), source.endpoint));
  }
  return report;
}

// The names of what is wrong, as `findings -q` has them.
void PrintQuiet(const Context& context, const client::AnsweredList<DoctorReport>& reports) {
  for (const auto& [endpoint, report] : reports) {
    for (const v1::Finding& finding : client::WorstFirst(report->checks)) {
      context.Print(QuietFinding(endpoint, finding));
    }
  }
}

void PrintTable(const Context& context, const Sources& sources, const std::vector<DoctorReport>& reports) {
  client::AnsweredList<DoctorReport> reached;
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string& name = context.quiet() ? reports[i].endpoint : sources[i].label;
    if (reports[i].reached) reached.push_back({context.several() ? name : "", &reports[i]});
  }
  if (context.quiet()) return PrintQuiet(context, reached);
  context.Print(client::RenderDoctor(reached, context.style()));
}

// Programs get a report of those, too, that did not answer: a check that failed.
void PrintReports(const Context& context, const Sources& sources, const std::vector<DoctorReport>& reports,
                  const DoctorArguments& arguments) {
  if (context.output() == Output::kJunit) {
    std::vector<client::JunitSuite> suites;
    suites.reserve(reports.size());
    const auto limit = ParseFailOn(arguments.fail_on).value_or(v1::Finding::WARNING);
    for (const DoctorReport& report : reports) {
      client::JunitSuite& suite = suites.emplace_back(client::DoctorToJunit(report, limit));
      suite.time.set_seconds(std::time(nullptr));
    }
    return context.Print(client::RenderJunit(suites));
  }
  if (!context.structured()) return PrintTable(context, sources, reports);
  std::vector<std::string> items;
  items.reserve(sources.size());
  for (size_t i = 0; i < sources.size(); ++i) {
    const std::string json = client::DoctorToJson(reports[i]);
    items.push_back(context.several() ? AnswerJson(sources[i], json) : json);
  }
  context.PrintJson(context.several() ? EndpointsJson(items) : items.front());
}

bool AsBadAs(const DoctorReport& report, const std::string& fail_on) {
  v1::ListFindingsResponse all;
  for (const v1::Finding& finding : client::WorstFirst(report.checks)) *all.add_findings() = finding;
  return AnyAsBadAs(all.findings(), ParseFailOn(fail_on));
}

absl::StatusOr<ExitCode> Examine(Context& context, const Sources& sources, const DoctorArguments& arguments) {
  const Answers answers = AskEach<ServerView>(context, sources, LookAt);
  const bool for_programs = context.structured() || context.output() == Output::kJunit;
  if (!context.several() && !answers.front().ok() && (!for_programs || arguments.watch)) {
    return answers.front().status();
  }
  std::vector<DoctorReport> reports;
  reports.reserve(sources.size());
  Failures failures(sources);
  ExitCode code = ExitCode::kOk;
  for (size_t i = 0; i < sources.size(); ++i) {
    reports.push_back(ReportOf(sources[i], answers[i]));
    if (!answers[i].ok()) failures.Add(i, answers[i].status());
    if (answers[i].ok() && AsBadAs(reports.back(), arguments.fail_on)) code = ExitCode::kFindings;
  }
  PrintReports(context, sources, reports, arguments);
  failures.Name(context);
  if (!context.several() && !answers.front().ok()) return ExitCodeOf(answers.front().status());
  return failures.Code() == ExitCode::kOk ? code : failures.Code();
}

ExitCode Doctor(Context& context, const DoctorArguments& arguments) {
  return ShowOrWatch(context, arguments.watch, "", [&arguments](Context& to, const Sources& sources) {
    return Examine(to, sources, arguments);
  });
}

}  // namespace

void AddDoctorCommand(CommandLine* line) {
  auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command = line->Add(
      "doctor", "Check everything, and say what is wrong and what to do about it",
      "doctor\ndoctor --fail-on warning\ndoctor -o junit > shmem.xml\n"
      "doctor --endpoints-from fleet.txt --fail-on error -q",
      [arguments](Context& context) { return Doctor(context, *arguments); }, true);
  AddFailOnFlag(command, &arguments->fail_on);
  AddWatchFlag(command, &arguments->watch);
}

}  // namespace shmemd::shmemctl
