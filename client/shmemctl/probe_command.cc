// probe: ask a back-end directly, without a daemon.
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/print/probe_printer.h"
#include "client/print/text.h"
#include "client/shmemctl/command_line.h"
#include "client/shmemctl/socket_users.h"
#include "server/convert/probe_report.h"
#include "server/frontend/prober.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

struct ProbeArguments {
  std::string socket;
  std::string fail_on = "failed";
  bool force = false;
};

std::string Listed(const std::vector<std::string>& names) { return absl::StrJoin(names, ", "); }

// Who is in the way of a probe; empty: nobody is known to be.
std::string Obstacle(const std::string& socket) {
  const std::string path = client::Printable(socket, true);
  const SocketUsers users = FindSocketUsers(socket);
  if (!users.known) {
    return absl::StrCat("/proc/net/unix cannot be read, so somebody may be connected to ", path);
  }
  if (users.connections == 0) return "";
  std::string text = users.clients.empty() ? "somebody is" : absl::StrCat(Listed(users.clients), " is");
  if (users.clients.size() > 1) text = absl::StrCat(Listed(users.clients), " are");
  absl::StrAppend(&text, " connected to ", path);
  if (!users.paths.empty()) {
    absl::StrAppend(&text, ", which is ", client::Printable(Listed(users.paths), true));
  }
  absl::StrAppend(&text, " (", users.connections, users.connections == 1 ? " connection" : " connections");
  if (!users.backends.empty()) absl::StrAppend(&text, ", served by ", Listed(users.backends));
  return absl::StrCat(text, "); a probe may take the device from a VM");
}

// Whether nobody is known to be connected. Says who is in the way, and what is risked otherwise.
bool MayProbe(const Context& context, const ProbeArguments& arguments) {
  const std::string path = client::Printable(arguments.socket, true);
  const std::string obstacle = Obstacle(arguments.socket);
  if (!obstacle.empty() && !arguments.force) {
    context.Note(absl::StrCat("shmemctl: ", obstacle, "; --force probes nevertheless"));
    return false;
  }
  if (context.quiet()) return true;
  if (!obstacle.empty()) context.Note(absl::StrCat("warning: ", obstacle));
  context.Note(absl::StrCat("probing ", path, ": a back-end that serves one front-end only ends after this"));
  return true;
}

void PrintReport(Context& context, const v1::ProbeReport& report) {
  if (context.structured()) {
    context.PrintMessage(report);
  } else if (context.output() == Output::kJunit) {
    context.Print(client::ProbeToJunit(report));
  } else if (!context.quiet()) {
    context.Print(client::RenderProbe(report, context.style()));
  } else {
    for (const v1::ProbeReport::Check& check : report.checks()) {
      if (check.result() == v1::ProbeReport::Check::FAILED) context.Print(check.rule() + "\n");
    }
  }
}

bool IsTimeout(state::StateReason reason) {
  return reason == state::StateReason::kReplyTimeout || reason == state::StateReason::kConnectTimeout;
}

ExitCode CodeOf(const state::ProbeReport& report, const v1::ProbeReport& message,
                const std::string& fail_on) {
  if (fail_on == "never") return ExitCode::kOk;
  if (IsTimeout(report.failure.reason)) return ExitCode::kTimeout;
  const client::ProbeTally tally = client::TallyOf(message);
  const bool bad =
      tally.failed > 0 || !message.failure().empty() || (fail_on == "skipped" && tally.skipped > 0);
  return bad ? ExitCode::kFindings : ExitCode::kOk;
}

ExitCode Probe(Context& context, const ProbeArguments& arguments) {
  if (arguments.socket.empty()) {
    return context.Fail(
        absl::InvalidArgumentError("SOCKET: expected the path of a back-end's socket, got an empty string"));
  }
  if (!MayProbe(context, arguments)) return ExitCode::kGeneric;
  // Half to connect, half for each reply.
  const int64_t half_ns = std::chrono::nanoseconds(context.timeout()).count() / 2;
  const auto report = frontend::Probe(arguments.socket, {.connect_ns = half_ns, .query_ns = half_ns});
  if (!report.ok()) return context.Fail(report.status());
  const v1::ProbeReport message = convert::ToProto(*report);
  PrintReport(context, message);
  return CodeOf(*report, message, arguments.fail_on);
}

}  // namespace

void AddProbeCommand(CommandLine* line) {
  auto arguments = std::make_shared<ProbeArguments>();
  CLI::App* command = line->Add(
      "probe", "Ask a back-end directly, without shmemd, and report how it keeps the rules",
      "probe /run/backends/gpu0.sock\nprobe /run/backends/gpu0.sock -o junit > probe.xml\n"
      "probe /run/backends/gpu0.sock --fail-on skipped -q",
      [arguments](Context& context) { return Probe(context, *arguments); }, true);
  command->add_option("SOCKET", arguments->socket, "Path of the back-end's socket")->required();
  command->add_flag("--force", arguments->force, "Even where somebody is connected");
  command
      ->add_option("--fail-on", arguments->fail_on,
                   "Exit with 6 when a check failed (failed), or was skipped, too")
      ->check(CLI::IsMember(std::set<std::string>{"failed", "skipped", "never"}));
}

}  // namespace shmemd::shmemctl
