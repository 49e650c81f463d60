// What may come next on a command line, for the shells. The scripts in completion_scripts.h ask it each time
// Tab is pressed, so they know of every command and flag there is.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/shmemctl/context.h"

namespace shmemd::shmemctl {

struct Completion {
  enum class Then { kSpace, kNoSpace, kFiles };  // behind the word; kFiles: the shell shall offer its files

  std::vector<std::pair<std::string, std::string>> candidates;  // whole words, and what they are
  Then then = Then::kSpace;
};

// Names that are there now. Called when they are wanted; `options` are those that the line has so far.
struct LiveNames {
  std::function<std::vector<std::string>(const Options& options)> backends;  // "gpu0"
  std::function<std::vector<std::string>(const Options& options)> regions;   // "gpu0/2"
};

// `words`: without the program, the last one is being completed and may be empty.
Completion Complete(const CLI::App& app, const std::vector<std::string>& words, const LiveNames& names);

// From the servers that the options name, within half a second; what does not answer has no names.
LiveNames NamesOfServers();

// A line for each candidate, a tab and what it is; at last ":space", ":nospace" or ":files".
std::string CompletionLines(const Completion& completion);

}  // namespace shmemd::shmemctl
