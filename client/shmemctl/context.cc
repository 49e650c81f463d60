#include "client/shmemctl/context.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <unistd.h>

#include <cstdio>

#include "client/print/structured.h"

namespace shmemd::shmemctl {
namespace {

Output OutputOf(const std::string& name) {
  if (name == "wide") return Output::kWide;
  if (name == "json") return Output::kJson;
  if (name == "yaml") return Output::kYaml;
  return name == "junit" ? Output::kJunit : Output::kTable;
}

client::ColorWhen ColorOf(const std::string& name) {
  if (name == "always") return client::ColorWhen::kAlways;
  return name == "never" ? client::ColorWhen::kNever : client::ColorWhen::kAuto;
}

// "5", "5s", "500ms", "1m".
absl::StatusOr<std::chrono::milliseconds> ParseTimeout(const std::string& text) {
  double seconds = 0;
  absl::Duration duration;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--timeout: expected seconds or a duration such as 500ms, got \"", text, "\""));
  }
  if (duration < absl::Milliseconds(1) || duration > absl::Hours(24)) {
    return absl::InvalidArgumentError(absl::StrCat("--timeout: expected 1ms to 24h, got \"", text, "\""));
  }
  return absl::ToChronoMilliseconds(duration);
}

}  // namespace

absl::StatusOr<Context> Context::Make(const Options& options) {
  const auto timeout = ParseTimeout(options.timeout);
  if (!timeout.ok()) return timeout.status();
  Context context;
  context.output_ = OutputOf(options.output);
  context.quiet_ = options.quiet;
  context.timeout_ = *timeout;
  context.endpoint_ = options.endpoint;
  context.tls_ = options.tls;
  context.style_.terminal = client::DetectTerminal(STDOUT_FILENO, ColorOf(options.color), options.width,
                                                   client::ProcessEnvironment);
  context.style_.wide = context.output_ == Output::kWide;
  context.style_.bytes = options.bytes;
  context.style_.headers = !options.no_headers;
  return context;
}

absl::StatusOr<client::Client> Context::Connect(Role role) {
  auto chosen = ChooseEndpoint(endpoint_, role, client::ProcessEnvironment);
  if (!chosen.ok()) return chosen.status();
  asked_ = *std::move(chosen);
  auto tls = ChooseTls(tls_, asked_, client::ProcessEnvironment);
  if (!tls.ok()) return tls.status();
  asked_.tls = tls->has_value();
  auto client = client::Client::Create({.endpoint = asked_.text(), .tls = *std::move(tls)});
  if (!client.ok()) return client.status();
  return client->WithDeadline(std::chrono::system_clock::now() + timeout_);
}

absl::Status Context::FollowOn() {
  if (quiet_ || output_ == Output::kYaml) {
    return absl::InvalidArgumentError("-q and -o yaml do not go with what is followed; try -o json");
  }
  on_terminal_ = ::isatty(STDOUT_FILENO) == 1 && output_ != Output::kJson;
  json_lines_ = !on_terminal_;
  return absl::OkStatus();
}

void Context::Print(std::string_view text) const {
  if (capture_ != nullptr) {
    *capture_ += text;
  } else {
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

void Context::Note(std::string_view text) const {
  if (capture_ != nullptr) {
    *capture_ += text;
    *capture_ += '\n';
    return;
  }
  // What was printed before comes before it also where both go to one file.
  std::fflush(stdout);
  std::fprintf(stderr, "%.*s\n", static_cast<int>(text.size()), text.data());
}

void Context::PrintMessage(const google::protobuf::Message& message, std::string_view list_field) const {
  if (json_lines_) {
    Print(client::ToJsonLine(message, list_field));
  } else {
    PrintJson(client::ToJson(message, list_field));
  }
}

void Context::PrintJson(const std::string& json) const {
  Print(output_ == Output::kYaml ? client::JsonToYaml(json) : json);
}

ExitCode Context::Fail(const absl::Status& status, const ChosenEndpoint& endpoint) const {
  Note(absl::StrCat("shmemctl: ", DescribeError(status, endpoint)));
  return ExitCodeOf(status);
}

ExitCode Context::Fail(const absl::Status& status) const {
  Note(absl::StrCat("shmemctl: ", std::string(status.message())));
  return ExitCodeOf(status);
}

}  // namespace shmemd::shmemctl
