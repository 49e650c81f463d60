// A program that a test runs, mostly shmem-demo-backend: its standard output becomes a transcript. Killed and
// reaped by the destructor if it still runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/peers/fd.h"
#include "tests/peers/transcript.h"

namespace shmemd::peers {

class BackendProcess {
 public:
  // `program` is a path; the arguments follow it. Ends the test program when it cannot be started.
  BackendProcess(const std::string& program, const std::vector<std::string>& arguments);
  ~BackendProcess();
  BackendProcess(const BackendProcess&) = delete;
  BackendProcess& operator=(const BackendProcess&) = delete;

  // What it printed so far. Ended by the process: WaitForExit returns with all of it read.
  const Transcript& transcript() const { return transcript_; }
  pid_t pid() const { return pid_; }

  void Signal(int signal) const;

  // The exit code, or 128 + the signal's number. Nothing when it still runs after `timeout`.
  std::optional<int> WaitForExit(std::chrono::milliseconds timeout = std::chrono::seconds(10));

 private:
  void ReadOutput();

  pid_t pid_ = -1;
  Fd pidfd_;
  Fd output_;
  Transcript transcript_;
  std::thread reader_;
  std::optional<int> exit_code_;
};

}  // namespace shmemd::peers
