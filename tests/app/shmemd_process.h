// The real shmemd as a process: its log as a transcript, where it serves, how it ends.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/metrics/http_client.h"
#include "tests/peers/backend_process.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::app {

inline constexpr char kShmemd[] = SHMEMD_BIN_DIR "/shmemd";

inline std::string FileText(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A program whose transcript is its stderr; stdout goes to a file. The shell only redirects: the program
// takes its place, with its pid.
inline std::unique_ptr<peers::BackendProcess> StartWithLog(const std::string& program,
                                                           const std::vector<std::string>& arguments,
                                                           const std::string& stdout_path = "/dev/null") {
  std::vector<std::string> shell = {
      "-c", "out=$0; program=$1; shift; exec \"$program\" \"$@\" 2>&1 >\"$out\"", stdout_path, program};
  shell.insert(shell.end(), arguments.begin(), arguments.end());
  return std::make_unique<peers::BackendProcess>("/bin/sh", shell);
}

// What a program printed, and how it ended.
struct Ended {
  std::optional<int> code;  // 128 + the signal; nothing: it still ran after 30 s
  std::vector<std::string> log;
  std::string out;
};

inline Ended RunShmemd(const std::vector<std::string>& arguments) {
  const peers::TemporaryDirectory directory;
  const auto process = StartWithLog(kShmemd, arguments, directory.path() + "/out");
  Ended ended;
  ended.code = process->WaitForExit(std::chrono::seconds(30));
  ended.log = process->transcript().lines();
  ended.out = FileText(directory.path() + "/out");
  return ended;
}

// One that serves: on RUN_DIR/api.sock, RUN_DIR/admin.sock, and a metrics port that the kernel picks.
class ShmemdProcess {
 public:
  explicit ShmemdProcess(const std::string& run_dir, const std::vector<std::string>& more = {})
      : api_socket_(run_dir + "/api.sock"), admin_socket_(run_dir + "/admin.sock") {
    std::vector<std::string> arguments = {"--run-dir", run_dir};
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (std::find(more.begin(), more.end(), "--metrics-listen") == more.end()) {
      arguments.insert(arguments.end(), {"--metrics-listen", "127.0.0.1:0"});
    }
    process_ = StartWithLog(kShmemd, arguments);
    EXPECT_TRUE(process_->transcript().WaitFor("/metrics", std::chrono::seconds(30)))
        << "shmemd does not serve: " << testing::PrintToString(process_->transcript().lines());
    metrics_address_ = TextBetween("metrics on http://", "/metrics");
  }

  const std::string& api_socket() const { return api_socket_; }
  const std::string& admin_socket() const { return admin_socket_; }
  const std::string& metrics_address() const { return metrics_address_; }
  peers::BackendProcess& process() { return *process_; }

  std::string Metrics() const { return metrics::HttpGet(metrics_address_, "/metrics").body; }

  // The exit code.
  std::optional<int> End(int signal) {
    process_->Signal(signal);
    return process_->WaitForExit(std::chrono::seconds(30));
  }

 private:
  // Of the first line of the log that has `begin`.
  std::string TextBetween(const std::string& begin, const std::string& end) const {
    for (const std::string& line : process_->transcript().lines()) {
      const size_t at = line.find(begin);
      if (at == std::string::npos) continue;
      const size_t from = at + begin.size();
      return line.substr(from, line.find(end, from) - from);
    }
    return "";
  }

  std::string api_socket_;
  std::string admin_socket_;
  std::string metrics_address_;
  std::unique_ptr<peers::BackendProcess> process_;
};

}  // namespace shmemd::app
