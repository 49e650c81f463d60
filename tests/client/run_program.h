// Runs a program of the build to its end and keeps what it said.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shmemd::client {

struct ProgramRun {
  int exit_code = -1;  // -1: it did not end by itself
  std::string out;
  std::string err;
};

struct ProgramOptions {
  // The whole environment beside PATH and what the sanitizers need.
  std::map<std::string, std::string> environment = {};
  // Standard output and error on a terminal of this many columns; both then land in `out`.
  std::optional<int> terminal_columns = std::nullopt;
  // Runs as this user and group and with no others; needs root.
  std::optional<unsigned> uid = std::nullopt;
  // Where standard output goes instead of `out`.
  std::string out_path = {};
};

// Fails the test when the program does not end within 20 s.
ProgramRun RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                      const ProgramOptions& options = {});

}  // namespace shmemd::client
