// A program's manual page, made from the very command line that makes its --help: every flag, argument,
// command and example that the one has, the other has.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace shmemd::manual {

// What a page says that --help does not.
struct Page {
  int section = 1;
  std::string summary;  // of NAME: what it does, in half a line
  // Title and text (manual/text.h). A title that --help has, too, is said this way instead.
  std::vector<std::pair<std::string, std::string>> sections;
};

// The source of the page of a program.
std::string ProgramPage(const CLI::App& app, const Page& page);

// The source of a page of something else, of what `page` says alone.
std::string PlainPage(const std::string& name, const Page& page);

// Gives `app` the flag --man, which prints its page and is not in --help. `app` stays where it is.
void AddManFlag(CLI::App& app, Page page);

}  // namespace shmemd::manual
