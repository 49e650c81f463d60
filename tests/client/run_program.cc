#include "tests/client/run_program.h"

#include <absl/strings/str_cat.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

namespace shmemd::client {
namespace {

using Clock = std::chrono::steady_clock;

struct Stream {
  int fd = -1;
  std::string text;
};

// What the child needs, prepared before the fork.
struct Exec {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

Exec Prepare(const std::string& name, const std::vector<std::string>& arguments,
             const ProgramOptions& options) {
  Exec exec{.path = std::string(SHMEMD_BIN_DIR) + "/" + name, .arguments = {name}, .environment = {}};
  exec.arguments.insert(exec.arguments.end(), arguments.begin(), arguments.end());
  for (const char* kept : {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}) {
    if (const char* value = std::getenv(kept)) exec.environment.push_back(absl::StrCat(kept, "=", value));
  }
  for (const auto& [key, value] : options.environment)
    exec.environment.push_back(absl::StrCat(key, "=", value));
  return exec;
}

[[noreturn]] void BecomeProgram(Exec* exec, int out, int err, std::optional<unsigned> uid) {
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  const bool dropped =
      !uid.has_value() || (::setgroups(0, nullptr) == 0 && ::setgid(*uid) == 0 && ::setuid(*uid) == 0);
  const std::vector<char*> arguments = Pointers(&exec->arguments);
  const std::vector<char*> environment = Pointers(&exec->environment);
  if (dropped) ::execve(exec->path.c_str(), arguments.data(), environment.data());
  ::_exit(127);
}

// Reads until all ends are closed; a terminal whose other end is closed says EIO. False: the deadline passed.
bool ReadAll(const std::vector<Stream*>& streams, Clock::time_point deadline) {
  while (true) {
    std::vector<pollfd> entries;
    for (const Stream* stream : streams) {
      if (stream->fd >= 0) entries.push_back({.fd = stream->fd, .events = POLLIN, .revents = 0});
    }
    if (entries.empty()) return true;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    ::poll(entries.data(), entries.size(), static_cast<int>(left));
    for (Stream* stream : streams) {
      if (stream->fd < 0) continue;
      std::array<char, 4096> buffer;
      const ssize_t got = ::read(stream->fd, buffer.data(), buffer.size());
      if (got > 0) {
        stream->text.append(buffer.data(), static_cast<size_t>(got));
      } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        ::close(std::exchange(stream->fd, -1));
      }
    }
  }
}

std::pair<int, int> Pipe() {
  std::array<int, 2> ends;
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  return {ends[0], ends[1]};
}

std::pair<int, int> Pty(int columns) {
  int ours = -1;
  int theirs = -1;
  const winsize size = {
      .ws_row = 50, .ws_col = static_cast<uint16_t>(columns), .ws_xpixel = 0, .ws_ypixel = 0};
  EXPECT_EQ(::openpty(&ours, &theirs, nullptr, nullptr, &size), 0);
  ::fcntl(ours, F_SETFD, FD_CLOEXEC);
  ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
  return {ours, theirs};
}

}  // namespace

ProgramRun RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                      const ProgramOptions& options) {
  Exec exec = Prepare(name, arguments, options);
  const auto [out_read, out_write] = options.terminal_columns ? Pty(*options.terminal_columns) : Pipe();
  const auto [err_read, err_write] = options.terminal_columns ? std::pair(-1, out_write) : Pipe();
  const int out_file = options.out_path.empty() ? -1 : ::open(options.out_path.c_str(), O_WRONLY | O_CLOEXEC);
  const pid_t pid = ::fork();
  if (pid == 0) BecomeProgram(&exec, out_file >= 0 ? out_file : out_write, err_write, options.uid);
  if (out_file >= 0) ::close(out_file);
  ::close(out_write);
  if (err_write != out_write) ::close(err_write);
  Stream out{.fd = out_read, .text = ""};
  Stream err{.fd = err_read, .text = ""};
  for (const Stream* stream : {&out, &err}) {
    if (stream->fd >= 0) ::fcntl(stream->fd, F_SETFL, O_NONBLOCK);
  }
  const bool ended = ReadAll({&out, &err}, Clock::now() + std::chrono::seconds(20));
  EXPECT_TRUE(ended) << name << " did not end; it said: " << out.text << err.text;
  if (!ended) ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  for (const Stream* stream : {&out, &err}) {
    if (stream->fd >= 0) ::close(stream->fd);
  }
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .out = out.text, .err = err.text};
}

}  // namespace shmemd::client
