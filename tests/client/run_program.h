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

// A program that runs. Whatever takes longer than 20 s fails the test.
class RunningProgram {
 public:
  RunningProgram(const std::string& name, const std::vector<std::string>& arguments,
                 const ProgramOptions& options = {});
  ~RunningProgram();  // kills it
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  // Waits until it has said that, on standard output or error.
  bool Says(const std::string& text);
  // All of standard output so far.
  const std::string& out() const { return out_.text; }
  void Signal(int number) const;
  // Nobody reads its standard output any more.
  void CloseOutput();
  // Waits for its end.
  ProgramRun Finish();

 private:
  struct Stream {
    int fd = -1;
    std::string text = {};
  };
  // Reads what is there, or waits for it. False: both streams ended, or the deadline passed.
  bool Read(std::chrono::steady_clock::time_point deadline);

  std::string name_;
  int pid_ = -1;
  Stream out_;
  Stream err_;
};

// Fails the test when the program does not end within 20 s.
ProgramRun RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                      const ProgramOptions& options = {});

}  // namespace shmemd::client
