// A command that reads: what it asks of each shmemd, and how it shows the answers of one or of several.
//
// One endpoint: its error is the command's, JSON is the answer alone. Several: what answered is shown, what
// did not is named on standard error and, in JSON, in its place:
//   {"endpoints": [{"endpoint": "unix:/a", ...the answer...}, {"endpoint": "unix:/b", "error": {...}}]}
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "client/print/answered.h"
#include "client/shmemctl/context.h"

namespace shmemd::shmemctl {

using Sources = std::vector<Source>;

template <typename Answer>
struct Reading {
  // Asks one of them; called on any thread. All calls together may take the time of --timeout.
  std::function<absl::StatusOr<Answer>(const client::Client&)> ask;
  // An answer as one JSON object, as client::ToJson writes it.
  std::function<std::string(const Answer&)> json;
  // The answers for people. Called when there is any.
  std::function<void(const Context&, const client::AnsweredList<Answer>&)> print;
  // What the answer means for the exit code; empty: nothing.
  std::function<ExitCode(const Answer&)> judge = nullptr;
};

// What those said who gave no answer, and what it means.
class Failures {
 public:
  explicit Failures(const Sources& sources) : sources_(sources) {}

  void Add(size_t source, const absl::Status& status);
  // A line for each on standard error, and how many there are in a picture's first. What only some do not
  // know is not worth a line.
  void Name(const Context& context) const;
  // kOk where all that matter answered, kNotFound where nobody knew what was asked for, kUsage
  // where one says that nobody can know it, else kUnreachable.
  ExitCode Code() const;

 private:
  bool AllUnknown() const;

  const Sources& sources_;
  std::vector<std::pair<size_t, absl::Status>> failed_;
};

// {"endpoint": ..., "error": {"code": "UNAVAILABLE", "reason": ..., "message": ...}}
std::string ErrorJson(const Source& source, const absl::Status& status);
// {"endpoint": ..., fields of the answer}
std::string AnswerJson(const Source& source, const std::string& answer);
// {"endpoints": [...]}
std::string EndpointsJson(const std::vector<std::string>& answers);

// "2 of 12 do not answer: vm3, vm7", whose places these are; empty for none.
std::string SayMissing(const Sources& sources, const std::vector<size_t>& missing);

// A client of which all calls together may take the time of --timeout from here on.
client::Client WithinTimeout(const Context& context, const Source& source);

// Asks all at once.
template <typename Answer>
std::vector<absl::StatusOr<Answer>> AskEach(
    const Context& context, const Sources& sources,
    const std::function<absl::StatusOr<Answer>(const client::Client&)>& ask) {
  std::vector<absl::StatusOr<Answer>> answers(sources.size());
  ForEachAtOnce(sources.size(), [&](size_t i) { answers[i] = ask(WithinTimeout(context, sources[i])); });
  return answers;
}

template <typename Answer>
void PrintAnswers(const Context& context, const Sources& sources,
                  const std::vector<absl::StatusOr<Answer>>& answers, const Reading<Answer>& reading) {
  if (context.structured()) {
    std::vector<std::string> items;
    for (size_t i = 0; i < sources.size(); ++i) {
      items.push_back(answers[i].ok() ? AnswerJson(sources[i], reading.json(*answers[i]))
                                      : ErrorJson(sources[i], answers[i].status()));
    }
    return context.PrintJson(context.several() ? EndpointsJson(items) : reading.json(*answers.front()));
  }
  client::AnsweredList<Answer> answered;
  for (size_t i = 0; i < sources.size(); ++i) {
    // Names are for scripts, which give them back.
    const std::string label = context.quiet() ? sources[i].endpoint.text() : sources[i].label;
    if (answers[i].ok()) answered.push_back({context.several() ? label : "", &*answers[i]});
  }
  if (!answered.empty()) reading.print(context, answered);
}

// Prints what came and says what it means. The error of the only endpoint is returned, and nothing is printed
// then.
template <typename Answer>
absl::StatusOr<ExitCode> Conclude(const Context& context, const Sources& sources,
                                  const std::vector<absl::StatusOr<Answer>>& answers,
                                  const Reading<Answer>& reading) {
  if (!context.several() && !answers.front().ok()) return answers.front().status();
  PrintAnswers(context, sources, answers, reading);
  Failures failures(sources);
  ExitCode code = ExitCode::kOk;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (!answers[i].ok()) {
      failures.Add(i, answers[i].status());
    } else if (reading.judge && code == ExitCode::kOk) {
      code = reading.judge(*answers[i]);
    }
  }
  failures.Name(context);
  return failures.Code() == ExitCode::kOk ? code : failures.Code();
}

// Asks and concludes.
template <typename Answer>
absl::StatusOr<ExitCode> ReadOnce(Context& context, const Sources& sources, const Reading<Answer>& reading) {
  return Conclude(context, sources, AskEach<Answer>(context, sources, reading.ask), reading);
}

}  // namespace shmemd::shmemctl
