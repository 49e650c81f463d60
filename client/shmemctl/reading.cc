#include "client/shmemctl/reading.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "client/print/structured.h"
#include "client/print/text.h"
#include "shmemd/error.h"

namespace shmemd::shmemctl {

void Failures::Add(size_t source, const absl::Status& status) { failed_.emplace_back(source, status); }

bool Failures::AllUnknown() const {
  return std::all_of(failed_.begin(), failed_.end(),
                     [](const auto& failed) { return failed.second.code() == absl::StatusCode::kNotFound; });
}

void Failures::Name(const Context& context) const {
  const bool somebody_knew = failed_.size() < sources_.size();
  std::vector<size_t> missing;
  for (const auto& [source, status] : failed_) {
    if (status.code() == absl::StatusCode::kNotFound && somebody_knew) continue;
    missing.push_back(source);
    context.Note(absl::StrCat("shmemctl: ", DescribeError(status, sources_[source].endpoint)));
  }
  context.Headline(SayMissing(sources_, missing));
}

ExitCode Failures::Code() const {
  for (const auto& [source, status] : failed_) {
    if (status.code() == absl::StatusCode::kInvalidArgument) return ExitCode::kUsage;
  }
  if (!AllUnknown()) return ExitCode::kUnreachable;
  const bool nobody_knew = !failed_.empty() && failed_.size() == sources_.size();
  return nobody_knew ? ExitCode::kNotFound : ExitCode::kOk;
}

std::string SayMissing(const Sources& sources, const std::vector<size_t>& missing) {
  std::string names;
  for (const size_t source : missing) {
    const std::string name =
        sources[source].label.empty() ? sources[source].endpoint.text() : sources[source].label;
    absl::StrAppend(&names, names.empty() ? "" : ", ", client::Printable(name, true));
  }
  if (missing.empty()) return names;
  return absl::StrCat(missing.size(), " of ", sources.size(), missing.size() == 1 ? " does" : " do",
                      " not answer: ", names);
}

client::Client WithinTimeout(const Context& context, const Source& source) {
  return source.client.WithDeadline(std::chrono::system_clock::now() + context.timeout());
}

std::string ErrorJson(const Source& source, const absl::Status& status) {
  const std::string reason = client::ErrorReason(status);
  std::vector<std::pair<std::string, std::string>> error = {
      {"code", client::JsonString(std::string(absl::StatusCodeToString(status.code())))}};
  if (!reason.empty()) error.emplace_back("reason", client::JsonString(reason));
  error.emplace_back("message", client::JsonString(DescribeError(status, source.endpoint)));
  return client::JsonObject(
      {{"endpoint", client::JsonString(source.endpoint.text())}, {"error", client::JsonObject(error)}});
}

std::string AnswerJson(const Source& source, const std::string& answer) {
  return client::JsonWithField(answer, "endpoint", client::JsonString(source.endpoint.text()));
}

std::string EndpointsJson(const std::vector<std::string>& answers) {
  return client::JsonObject({{"endpoints", client::JsonArray(answers)}});
}

}  // namespace shmemd::shmemctl
