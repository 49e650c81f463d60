#include "tests/peers/backend_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace shmemd::peers {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::perror(what.c_str());
  std::abort();
}

}  // namespace

BackendProcess::BackendProcess(const std::string& program, const std::vector<std::string>& arguments) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) Die("pipe2");
  output_ = Fd(ends[0]);
  const Fd input(ends[1]);

  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  errno = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) Die(program);
  // glibc 2.36 declares pidfd_open without C linkage.
  pidfd_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) Die("pidfd_open");
  reader_ = std::thread(&BackendProcess::ReadOutput, this);
}

BackendProcess::~BackendProcess() {
  if (exit_code_) return;
  Signal(SIGKILL);
  WaitForExit(std::chrono::minutes(1));
}

void BackendProcess::ReadOutput() {
  std::string line;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return;
    for (ssize_t i = 0; i < got; ++i) {
      if (buffer[i] == '\n') {
        transcript_.Add(std::exchange(line, ""));
      } else {
        line.push_back(buffer[i]);
      }
    }
  }
}

void BackendProcess::Signal(int signal) const {
  if (!exit_code_) ::kill(pid_, signal);
}

std::optional<int> BackendProcess::WaitForExit(std::chrono::milliseconds timeout) {
  if (exit_code_) return exit_code_;
  pollfd wait{pidfd_.get(), POLLIN, 0};
  if (::poll(&wait, 1, static_cast<int>(timeout.count())) != 1) return std::nullopt;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  reader_.join();
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

}  // namespace shmemd::peers
