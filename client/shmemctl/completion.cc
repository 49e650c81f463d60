#include "client/shmemctl/completion.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "vhost/shmem/v1/event.pb.h"

namespace shmemd::shmemctl {
namespace {

using Then = Completion::Then;

constexpr char kUnix[] = "unix:";

// What stands on the line before the word that is completed.
struct Line {
  const CLI::App* app = nullptr;           // the command, or the program
  const CLI::Option* expecting = nullptr;  // whose value comes next
  size_t positionals = 0;
  bool only_positionals = false;  // after "--"
  Options options;
};

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

const CLI::Option* FindFlag(const CLI::App& app, const std::string& flag) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->check_name(flag)) return option;
  }
  return nullptr;
}

void Remember(const CLI::Option& option, const std::string& value, Options* options) {
  const auto is = [&option](const char* name) { return option.check_lname(name); };
  if (is("endpoint")) options->endpoints.push_back(value);
  // What is typed next belongs to the shell, and a pipe may never end.
  std::error_code ignored;
  if (is("endpoints-from") && std::filesystem::is_regular_file(value, ignored))
    options->endpoints_from = value;
  if (is("ca")) options->tls.ca = value;
  if (is("cert")) options->tls.certificate = value;
  if (is("key")) options->tls.key = value;
  if (is("server-name")) options->tls.server_name = value;
}

void TakeFlag(const std::string& word, Line* line) {
  const size_t equals = word.find('=');
  const CLI::Option* option = FindFlag(*line->app, word.substr(0, equals));
  if (option == nullptr || !TakesValue(*option)) return;
  if (equals == std::string::npos) {
    line->expecting = option;
  } else {
    Remember(*option, word.substr(equals + 1), &line->options);
  }
}

void TakeWord(const std::string& word, Line* line) {
  if (line->expecting != nullptr) {
    Remember(*std::exchange(line->expecting, nullptr), word, &line->options);
  } else if (!line->only_positionals && word == "--") {
    line->only_positionals = true;
  } else if (!line->only_positionals && word.size() > 1 && word.starts_with('-')) {
    TakeFlag(word, line);
  } else if (line->app->get_parent() == nullptr) {
    for (const CLI::App* command : line->app->get_subcommands([](const CLI::App*) { return true; })) {
      if (command->get_name() == word) line->app = command;
    }
  } else {
    ++line->positionals;
  }
}

class Completer {
 public:
  Completer(const Line& line, const LiveNames& names, std::string word)
      : line_(line), names_(names), word_(std::move(word)) {}

  Completion Run() {
    const bool flag = !line_.only_positionals && word_.starts_with('-');
    if (line_.expecting != nullptr) {
      AddValues(*line_.expecting);
    } else if (flag && word_.find('=') != std::string::npos) {
      AddFlagValue();
    } else if (flag) {
      AddFlags();
    } else if (line_.app->get_parent() == nullptr) {
      AddCommands();
    } else {
      AddPositional();
    }
    return std::move(completion_);
  }

 private:
  void Add(const std::string& candidate, const std::string& what = "") {
    if (candidate.starts_with(word_)) completion_.candidates.emplace_back(prefix_ + candidate, what);
  }

  void AddCommands() {
    for (const CLI::App* command : line_.app->get_subcommands([](const CLI::App*) { return true; })) {
      Add(command->get_name(), command->get_description());
    }
  }

  void AddFlags() {
    for (const CLI::Option* option : line_.app->get_options()) {
      const bool hidden = option->get_group().empty();
      if (hidden) continue;
      for (const std::string& name : option->get_lnames()) Add("--" + name, option->get_description());
    }
  }

  // --output=js
  void AddFlagValue() {
    const size_t equals = word_.find('=');
    const CLI::Option* option = FindFlag(*line_.app, word_.substr(0, equals));
    prefix_ = word_.substr(0, equals + 1);
    word_.erase(0, equals + 1);
    if (option != nullptr && TakesValue(*option)) AddValues(*option);
  }

  void AddPositional() {
    size_t index = 0;
    for (const CLI::Option* option : line_.app->get_options()) {
      if (option->get_positional() && index++ == line_.positionals) AddValues(*option);
    }
  }

  void AddValues(const CLI::Option& option) {
    const std::string type = option.get_type_name();
    const std::string name = option.get_positional() ? option.get_name(true) : type;
    if (const size_t open = type.find('{'); open != std::string::npos) {
      for (const absl::string_view word :
           absl::StrSplit(type.substr(open + 1, type.find('}') - open - 1), ',')) {
        Add(std::string(word));
      }
    } else if (type == "ENDPOINT") {
      AddEndpoints();
    } else if (type == "TYPES") {
      AddEventTypes();
    } else if (name.starts_with("BACKEND")) {
      AddNames(name);
    } else if (type == "FILE" || type == "SOCKET" || name == "SOCKET") {
      completion_.then = Then::kFiles;
    }
  }

  // `form`: "BACKEND", "BACKEND[/SHMID]", "BACKEND/SHMID".
  void AddNames(const std::string& form) {
    const bool slash = word_.find('/') != std::string::npos;
    if (form == "BACKEND/SHMID" || (slash && form != "BACKEND")) {
      for (const std::string& region : names_.regions(line_.options)) Add(region, "region");
      return;
    }
    for (const std::string& backend : names_.backends(line_.options)) Add(backend, "back-end");
    if (form == "BACKEND" || completion_.candidates.size() != 1) return;
    // The only one that is left may be meant as a whole, or one of its regions.
    for (const std::string& region : names_.regions(line_.options)) Add(region, "region");
  }

  // MAPPED,UNM
  void AddEventTypes() {
    using Event = ::vhost::shmem::v1::Event;
    const size_t last = word_.rfind(',') + 1;
    prefix_ += word_.substr(0, last);
    word_.erase(0, last);
    for (int value = 1; Event::Type_IsValid(value); ++value) Add(Event::Type_Name(value));
  }

  // Sockets and folders that are there.
  void AddEndpoints() {
    const bool with_scheme = word_.starts_with(kUnix);
    const std::string typed = with_scheme ? word_.substr(sizeof kUnix - 1) : word_;
    if (typed.empty() || std::string_view(kUnix).starts_with(word_)) {
      for (const char* pattern : {"/run/shmemd/*.sock", "/run/shmemd/*/*.sock"}) AddSockets(pattern, kUnix);
      if (!with_scheme && completion_.candidates.empty()) {
        Add(kUnix, "path of a socket");
        completion_.then = Then::kNoSpace;
      }
    } else if (typed.starts_with('/') || typed.starts_with('.')) {
      AddSockets(Escaped(typed) + "*", with_scheme ? kUnix : "");
    }
  }

  static std::string Escaped(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
      if (c == '*' || c == '?' || c == '[' || c == '\\') escaped += '\\';
      escaped += c;
    }
    return escaped;
  }

  void AddSockets(const std::string& pattern, const std::string& scheme) {
    glob_t found = {};
    const bool any = ::glob(pattern.c_str(), GLOB_MARK, nullptr, &found) == 0;
    for (size_t i = 0; any && i < found.gl_pathc; ++i) {
      const std::string path = found.gl_pathv[i];
      struct stat facts = {};
      if (path.ends_with('/')) {
        Add(scheme + path, "folder");
        completion_.then = Then::kNoSpace;
      } else if (::stat(path.c_str(), &facts) == 0 && S_ISSOCK(facts.st_mode)) {
        Add(scheme + path, "socket");
      }
    }
    ::globfree(&found);
  }

  const Line& line_;
  const LiveNames& names_;
  std::string word_;
  std::string prefix_;  // of the word, in front of what is completed
  Completion completion_;
};

}  // namespace

Completion Complete(const CLI::App& app, const std::vector<std::string>& words, const LiveNames& names) {
  Line line;
  line.app = &app;
  for (size_t i = 0; i + 1 < words.size(); ++i) TakeWord(words[i], &line);
  return Completer(line, names, words.empty() ? "" : words.back()).Run();
}

std::string CompletionLines(const Completion& completion) {
  std::string lines;
  for (const auto& [candidate, what] : completion.candidates)
    absl::StrAppend(&lines, candidate, "\t", what, "\n");
  switch (completion.then) {
    case Then::kSpace:
      return lines += ":space\n";
    case Then::kNoSpace:
      return lines += ":nospace\n";
    case Then::kFiles:
      return lines += ":files\n";
  }
  return lines;
}

}  // namespace shmemd::shmemctl
