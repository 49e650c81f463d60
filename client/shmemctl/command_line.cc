#include "client/shmemctl/command_line.h"

#include <absl/strings/str_cat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "client/print/text.h"
#include "client/shmemctl/completion.h"
#include "client/shmemctl/help_format.h"
#include "client/shmemctl/manual_page.h"

namespace shmemd::shmemctl {
namespace {

constexpr char kFooter[] =
    R"(Endpoint: --endpoint, else SHMEMD_ENDPOINT, else unix:/run/shmemd/api.sock to
read, unix:/run/shmemd/admin.sock to change something. TLS for host:port: --ca,
--cert, --key, --server-name, else SHMEMD_CA, SHMEMD_CERT, SHMEMD_KEY,
SHMEMD_SERVER_NAME.

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 unreachable (of several endpoints:
one of them), 4 not found, 5 unhealthy, 6 findings (--fail-on), 7 timeout.

Examples:
  shmemctl status
  shmemctl regions gpu0
  shmemctl map gpu0/2
  shmemctl mappings gpu0/2 --watch
  shmemctl top --sort used
  shmemctl doctor --fail-on warning
  shmemctl status --endpoints-from fleet.txt
  shmemctl attach gpu0 --frontend /run/backends/gpu0.sock
  shmemctl probe /run/backends/gpu0.sock
)";

std::string Footer(const std::string& examples) {
  std::string footer = "Examples:\n";
  for (size_t begin = 0; begin < examples.size();) {
    const size_t end = std::min(examples.find('\n', begin), examples.size());
    absl::StrAppend(&footer, "  shmemctl ", examples.substr(begin, end - begin), "\n");
    begin = end + 1;
  }
  return footer;
}

// What was meant by `word`, if something is near enough.
std::string Nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string nearest;
  int best = static_cast<int>(word.size()) / 3 + 2;
  for (const std::string& candidate : known) {
    const bool begins = word.size() >= 2 && candidate.starts_with(word);
    const int distance = begins ? 0 : client::EditDistance(word, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::vector<std::string> CommandsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

}  // namespace

CommandLine::CommandLine()
    : app_("Shows what shmemd knows about the VIRTIO shared memory of vhost-user back-ends.", "shmemctl") {
  app_.formatter(MakeHelpFormat());
  app_.require_subcommand(1);
  app_.set_version_flag("--version", std::string("shmemctl ") + SHMEMD_VERSION);
  app_.footer(kFooter);
  AddCommonFlags(&app_, false);
  AddManualPage(app_);
}

void CommandLine::AddOutputFlags(CLI::App* app, bool junit) {
  std::vector<std::string> outputs = {"table", "wide", "json", "yaml"};
  if (junit) outputs.emplace_back("junit");
  app->add_option("-o,--output", options_.output, "Form of the output (table)")
      ->check(CLI::IsMember(outputs))
      ->group(kOutputGroup);
  app->add_flag("-q,--quiet", options_.quiet, "Names only, or nothing but the exit code")
      ->group(kOutputGroup);
  app->add_flag("--no-headers", options_.no_headers, "Rows only")->group(kOutputGroup);
  app->add_flag("--bytes", options_.bytes, "Sizes as plain numbers of bytes")->group(kOutputGroup);
  app->add_option("--color", options_.color, "When to use colours (auto)")
      ->check(CLI::IsMember(std::vector<std::string>{"auto", "always", "never"}))
      ->group(kOutputGroup);
  app->add_option("--width", options_.width, "Columns to print in; the terminal's by default")
      ->check(CLI::Range(0, 10000))
      ->type_name("COLUMNS")
      ->group(kOutputGroup);
}

void CommandLine::AddConnectionFlags(CLI::App* app) {
  // Each of them takes one word, so that what comes next may be a BACKEND.
  app->add_option_function<std::vector<std::string>>(
         "--endpoint",
         [this](const std::vector<std::string>& endpoints) {
           options_.endpoints.insert(options_.endpoints.end(), endpoints.begin(), endpoints.end());
         },
         "Where shmemd is: unix:/path or host:port; repeat it to ask several at once (SHMEMD_ENDPOINT)")
      ->type_name("ENDPOINT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kConnectionGroup);
  app->add_option("--endpoints-from", options_.endpoints_from,
                  "Ask several at once: a file with one endpoint a line; - is standard input")
      ->type_name("FILE")
      ->group(kConnectionGroup);
  app->add_option("--timeout", options_.timeout, "How long the command may take: 5s, 500ms (10s)")
      ->type_name("DURATION")
      ->group(kConnectionGroup);
  app->add_option("--ca", options_.tls.ca, "TLS: who signed the server's certificate (SHMEMD_CA)")
      ->type_name("FILE")
      ->group(kConnectionGroup);
  app->add_option("--cert", options_.tls.certificate, "TLS: the certificate to show (SHMEMD_CERT)")
      ->type_name("FILE")
      ->group(kConnectionGroup);
  app->add_option("--key", options_.tls.key, "TLS: its key (SHMEMD_KEY)")
      ->type_name("FILE")
      ->group(kConnectionGroup);
  app->add_option("--server-name", options_.tls.server_name,
                  "TLS: name in the server's certificate, if not the host's (SHMEMD_SERVER_NAME)")
      ->type_name("NAME")
      ->group(kConnectionGroup);
}

void CommandLine::AddCommonFlags(CLI::App* app, bool junit) {
  AddOutputFlags(app, junit);
  AddConnectionFlags(app);
}

CLI::App* CommandLine::Add(const std::string& name, const std::string& summary, const std::string& examples,
                           Action action, bool junit) {
  CLI::App* command = app_.add_subcommand(name, summary);
  command->footer(Footer(examples));
  AddCommonFlags(command, junit);
  command->callback([this, action = std::move(action)] { chosen_ = action; });
  return command;
}

// One line on what is wrong, and the word that was probably meant.
int CommandLine::Refuse(const CLI::ParseError& error) const {
  const auto chosen = app_.get_subcommands();
  const CLI::App& where = chosen.empty() ? app_ : *chosen.front();
  std::string text = absl::StrCat("shmemctl: ", error.what());
  for (const std::string& word : app_.remaining(true)) {
    const bool flag = word.starts_with('-');
    if (!flag && !chosen.empty()) continue;
    const std::string name = word.substr(0, word.find('='));
    const std::string meant = Nearest(name, flag ? FlagsOf(where) : CommandsOf(app_));
    text = absl::StrCat("shmemctl: unknown ", flag ? "flag " : "command ", word,
                        meant.empty() ? "" : absl::StrCat("; did you mean ", meant, "?"));
    break;
  }
  const std::string command = chosen.empty() ? "" : " " + where.get_name();
  std::fprintf(stderr, "%s\nTry: shmemctl%s --help\n", text.c_str(), command.c_str());
  return static_cast<int>(ExitCode::kUsage);
}

int CommandLine::RunChosen() {
  auto context = Context::Make(options_);
  if (!context.ok()) {
    std::fprintf(stderr, "shmemctl: %s\n", std::string(context.status().message()).c_str());
    return static_cast<int>(ExitCode::kUsage);
  }
  const ExitCode code = chosen_(*context);
  if (context->Flush()) return static_cast<int>(code);
  // Who reads no further has read enough; what was found out stays as it is.
  if (context->write_error() == EPIPE) return static_cast<int>(code);
  std::fprintf(stderr, "shmemctl: standard output: %s\n", std::strerror(context->write_error()));
  return static_cast<int>(ExitCode::kGeneric);
}

int CommandLine::CompleteWords(const std::vector<std::string>& words) const {
  const std::string lines = CompletionLines(Complete(app_, words, NamesOfServers()));
  std::fwrite(lines.data(), 1, lines.size(), stdout);
  return 0;
}

int CommandLine::Run(int argc, char** argv) {
  // Asked by the scripts of `completion`, with words that need not make sense yet.
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words.front() == "__complete") return CompleteWords({words.begin() + 1, words.end()});
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app_.exit(asked);  // --help, --version
  } catch (const CLI::ParseError& error) {
    return Refuse(error);
  }
  return RunChosen();
}

}  // namespace shmemd::shmemctl
