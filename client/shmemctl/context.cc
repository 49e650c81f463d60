#include "client/shmemctl/context.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/time/time.h>
#include <unistd.h>

#include <cerrno>
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

absl::Status OnlyOneEndpoint() {
  return absl::InvalidArgumentError(
      "several endpoints were given, but this command asks one shmemd: give one --endpoint");
}

absl::StatusOr<Context> Context::Make(const Options& options) {
  const auto timeout = ParseTimeout(options.timeout);
  if (!timeout.ok()) return timeout.status();
  Context context;
  context.output_ = OutputOf(options.output);
  context.quiet_ = options.quiet;
  context.timeout_ = *timeout;
  context.endpoints_ = options.endpoints;
  context.endpoints_from_ = options.endpoints_from;
  context.several_ = options.endpoints.size() > 1 || !options.endpoints_from.empty();
  context.tls_ = options.tls;
  context.width_ = options.width;
  context.color_ = ColorOf(options.color);
  context.MeasureTerminal();
  context.style_.wide = context.output_ == Output::kWide;
  context.style_.bytes = options.bytes;
  context.style_.headers = !options.no_headers;
  return context;
}

void Context::MeasureTerminal() {
  style_.terminal = client::DetectTerminal(STDOUT_FILENO, color_, width_, client::ProcessEnvironment);
}

absl::StatusOr<std::vector<ChosenEndpoint>> Context::Endpoints(Role role) {
  std::vector<ChosenEndpoint> endpoints;
  if (!several_) {
    auto chosen =
        ChooseEndpoint(endpoints_.empty() ? "" : endpoints_.front(), role, client::ProcessEnvironment);
    if (!chosen.ok()) return chosen.status();
    endpoints.push_back(*std::move(chosen));
    return endpoints;
  }
  std::vector<NamedEndpoint> named;
  named.reserve(endpoints_.size());
  for (const std::string& text : endpoints_) named.push_back({text, "--endpoint"});
  const absl::Status read = ReadList();
  if (!read.ok()) return read;
  if (listed_) named.insert(named.end(), listed_->begin(), listed_->end());
  for (const NamedEndpoint& name : named) {
    auto chosen = ReadEndpoint(name.text, name.origin);
    if (!chosen.ok()) return chosen.status();
    endpoints.push_back(*std::move(chosen));
  }
  return endpoints;
}

absl::Status Context::ReadList() {
  if (endpoints_from_.empty() || listed_) return absl::OkStatus();
  auto listed = ReadEndpointList(endpoints_from_);
  if (listed.ok()) listed_ = *std::move(listed);
  return listed.status();
}

absl::StatusOr<std::vector<Source>> Context::Sources() {
  const auto endpoints = Endpoints(Role::kInspector);
  if (!endpoints.ok()) return endpoints.status();
  auto sources = MakeSources(*endpoints, tls_, timeout_);
  if (sources.ok()) asked_ = sources->front().endpoint;
  return sources;
}

absl::StatusOr<client::Client> Context::Connect(Role role) {
  if (several_) return OnlyOneEndpoint();
  const auto endpoints = Endpoints(role);
  if (!endpoints.ok()) return endpoints.status();
  const auto sources = MakeSources(*endpoints, tls_, timeout_);
  if (!sources.ok()) return sources.status();
  asked_ = sources->front().endpoint;
  return sources->front().client.WithDeadline(std::chrono::system_clock::now() + timeout_);
}

absl::Status Context::FollowOn(Piped piped) {
  if (quiet_ || output_ == Output::kYaml || output_ == Output::kJunit) {
    return absl::InvalidArgumentError(
        "-q, -o yaml and -o junit do not go with what is followed; try -o json");
  }
  on_terminal_ = ::isatty(STDOUT_FILENO) == 1 && output_ != Output::kJson;
  json_lines_ = output_ == Output::kJson || (!on_terminal_ && piped == Piped::kJson);
  return ReadList();
}

void Context::Print(std::string_view text) const {
  if (capture_ != nullptr) {
    *capture_ += text;
  } else {
    errno = 0;
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    if (!written && write_error_ == 0) write_error_ = errno;
  }
}

bool Context::Flush() const {
  errno = 0;
  if (std::fflush(stdout) != 0 && write_error_ == 0) write_error_ = errno;
  return write_error_ == 0 && std::ferror(stdout) == 0;
}

void Context::Note(std::string_view text) const {
  if (captured_notes_ != nullptr) {
    *captured_notes_ += text;
    *captured_notes_ += '\n';
    return;
  }
  // What was printed before comes before it also where both go to one file.
  Flush();
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
  if (json_lines_) {
    Print(client::JsonLine(json));
  } else {
    Print(output_ == Output::kYaml ? client::JsonToYaml(json) : json);
  }
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
