// health: whether shmemd serves, and whether its back-ends are up.
#include <absl/strings/str_cat.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/print/backend_printer.h"
#include "client/print/resource_name.h"
#include "client/print/structured.h"
#include "client/print/text.h"
#include "client/shmemctl/command_line.h"
#include "client/shmemctl/reading.h"

namespace shmemd::shmemctl {
namespace {

namespace v1 = ::vhost::shmem::v1;

using Clock = std::chrono::steady_clock;

struct HealthArguments {
  bool backends = false;
  double wait_seconds = 0;
};

// What one look showed.
struct Look {
  absl::Status error;
  std::string status;  // of grpc.health.v1
  bool serving = false;
  std::vector<v1::Backend> backends;
  std::vector<std::string> down;  // those of them that are not up, in words

  bool healthy() const { return error.ok() && serving && down.empty(); }
};

void LookAtBackends(const client::Client& client, Look* look) {
  const auto list = client.ListBackends();
  look->error = list.status();
  if (!list.ok()) return;
  look->backends.assign(list->backends().begin(), list->backends().end());
  for (const v1::Backend& backend : list->backends()) {
    if (backend.state() == v1::Backend::ACTIVE || backend.state() == v1::Backend::PROBED) continue;
    const std::string why = client::DescribeState(backend);
    look->down.push_back(absl::StrCat("back-end ", client::Printable(client::BackendId(backend.name()), true),
                                      " is ", v1::Backend::State_Name(backend.state()),
                                      why.empty() ? "" : ": ", client::Printable(why, true)));
  }
}

Look LookOnce(const client::Client& client, bool backends) {
  Look look;
  const auto health = client.CheckHealth();
  look.error = health.status();
  if (!health.ok()) return look;
  look.serving = health->serving;
  look.status = health->status;
  if (backends) LookAtBackends(client, &look);
  return look;
}

// Looks until all is well or the time is over; with a new client each time, for one that could not connect
// waits before it tries again.
Look LookFor(const Context& context, const Source& source, const HealthArguments& arguments) {
  constexpr std::chrono::milliseconds kPause{100};
  const auto wait = std::chrono::duration<double>(arguments.wait_seconds);
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(wait);
  // Who does not answer is not waited for beyond the end of the wait either.
  const auto within = [&](const client::Client& client) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    const bool waits = arguments.wait_seconds > 0;
    const auto patience = waits ? std::min(context.timeout(), std::max(left, kPause)) : context.timeout();
    return client.WithDeadline(std::chrono::system_clock::now() + patience);
  };
  Look look = LookOnce(within(source.client), arguments.backends);
  while (!look.healthy() && Clock::now() + kPause <= deadline) {
    std::this_thread::sleep_for(kPause);
    const auto client = client::Client::Create(source.options);
    if (!client.ok()) break;
    look = LookOnce(within(*client), arguments.backends);
  }
  return look;
}

// What shmemd said of itself, as its health service spells it, and beside it the state of each back-end.
std::string LookAsJson(const Look& look, bool backends) {
  std::vector<std::pair<std::string, std::string>> fields = {{"status", client::JsonString(look.status)}};
  if (!backends) return client::JsonObject(fields);
  std::vector<std::string> states;
  for (const v1::Backend& backend : look.backends) {
    v1::Backend state;
    state.set_name(backend.name());
    state.set_state(backend.state());
    state.set_state_detail(backend.state_detail());
    states.push_back(client::ToJson(state));
  }
  fields.emplace_back("healthy", look.healthy() ? "true" : "false");
  fields.emplace_back("backends", client::JsonArray(states));
  return client::JsonObject(fields);
}

std::string Verdict(const Look& look, bool backends) {
  const std::string status = client::Printable(look.status, true);
  if (!backends) return status;
  const size_t up = look.backends.size() - look.down.size();
  return absl::StrCat(status, ", ", up, " of ", look.backends.size(), " back-ends up");
}

void PrintLooks(const Context& context, const client::AnsweredList<Look>& looks, bool backends) {
  if (context.quiet()) return;
  client::Table table({{"HEALTH"}});
  for (const auto& [endpoint, look] : looks) {
    if (!context.several()) context.Print(Verdict(*look, backends) + "\n");
    table.SetEndpoint(endpoint);
    table.AddRow({Verdict(*look, backends)});
  }
  if (context.several()) context.Print(table.Render(context.style()));
  for (const auto& [endpoint, look] : looks) {
    for (const std::string& line : look->down) {
      context.Note(absl::StrCat(endpoint, endpoint.empty() ? "" : ": ", line));
    }
  }
}

ExitCode Health(Context& context, const HealthArguments& arguments) {
  const auto sources = context.Sources();
  if (!sources.ok()) return context.Fail(sources.status());
  std::vector<absl::StatusOr<Look>> looks(sources->size());
  ForEachAtOnce(sources->size(), [&](size_t i) {
    Look look = LookFor(context, (*sources)[i], arguments);
    const absl::Status error = look.error;
    looks[i] = error.ok() ? absl::StatusOr<Look>(std::move(look)) : error;
  });
  const Reading<Look> reading{
      .ask = nullptr,
      .json = [&](const Look& look) { return LookAsJson(look, arguments.backends); },
      .print = [&](const Context& to, const auto& list) { PrintLooks(to, list, arguments.backends); },
      .judge = [](const Look& look) { return look.healthy() ? ExitCode::kOk : ExitCode::kUnhealthy; }};
  const auto code = Conclude(context, *sources, looks, reading);
  return code.ok() ? *code : context.Fail(code.status(), context.asked());
}

}  // namespace

void AddHealthCommand(CommandLine* line) {
  auto arguments = std::make_shared<HealthArguments>();
  CLI::App* command = line->Add("health", "Check that shmemd serves; exits with 5 when it does not",
                                "health\nhealth --backends --wait 30",
                                [arguments](Context& context) { return Health(context, *arguments); });
  command->add_flag("--backends", arguments->backends, "Every back-end must be ACTIVE or PROBED, too");
  command->add_option("--wait", arguments->wait_seconds, "Keep looking for so many seconds until all is well")
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("SECONDS");
}

}  // namespace shmemd::shmemctl
