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

constexpr std::chrono::seconds kPatience(20);

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

RunningProgram::RunningProgram(const std::string& name, const std::vector<std::string>& arguments,
                               const ProgramOptions& options)
    : name_(name) {
  Exec exec = Prepare(name, arguments, options);
  const auto [out_read, out_write] = options.terminal_columns ? Pty(*options.terminal_columns) : Pipe();
  const auto [err_read, err_write] = options.terminal_columns ? std::pair(-1, out_write) : Pipe();
  const int out_file = options.out_path.empty() ? -1 : ::open(options.out_path.c_str(), O_WRONLY | O_CLOEXEC);
  pid_ = ::fork();
  if (pid_ == 0) BecomeProgram(&exec, out_file >= 0 ? out_file : out_write, err_write, options.uid);
  if (out_file >= 0) ::close(out_file);
  ::close(out_write);
  if (err_write != out_write) ::close(err_write);
  out_.fd = out_read;
  err_.fd = err_read;
  for (const Stream* stream : {&out_, &err_}) {
    if (stream->fd >= 0) ::fcntl(stream->fd, F_SETFL, O_NONBLOCK);
  }
}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const Stream* stream : {&out_, &err_}) {
    if (stream->fd >= 0) ::close(stream->fd);
  }
}

// A terminal whose other end is closed says EIO.
bool RunningProgram::Read(Clock::time_point deadline) {
  std::array<pollfd, 2> entries = {{{out_.fd, POLLIN, 0}, {err_.fd, POLLIN, 0}}};
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if ((out_.fd < 0 && err_.fd < 0) || left <= 0) return false;
  ::poll(entries.data(), entries.size(), static_cast<int>(left));
  for (Stream* stream : {&out_, &err_}) {
    if (stream->fd < 0) continue;
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(stream->fd, buffer.data(), buffer.size());
    if (got > 0) {
      stream->text.append(buffer.data(), static_cast<size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      ::close(std::exchange(stream->fd, -1));
    }
  }
  return true;
}

bool RunningProgram::Says(const std::string& text) {
  const auto deadline = Clock::now() + kPatience;
  const auto said = [&] {
    return out_.text.find(text) != std::string::npos || err_.text.find(text) != std::string::npos;
  };
  while (!said() && Read(deadline)) {
  }
  EXPECT_TRUE(said()) << name_ << " did not say " << text << ", but: " << out_.text << err_.text;
  return said();
}

void RunningProgram::Signal(int number) const { ::kill(pid_, number); }

void RunningProgram::CloseOutput() { ::close(std::exchange(out_.fd, -1)); }

ProgramRun RunningProgram::Finish() {
  const auto deadline = Clock::now() + kPatience;
  while (Read(deadline)) {
  }
  const bool ended = out_.fd < 0 && err_.fd < 0;
  EXPECT_TRUE(ended) << name_ << " did not end; it said: " << out_.text << err_.text;
  if (!ended) ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1, .out = out_.text, .err = err_.text};
}

ProgramRun RunProgram(const std::string& name, const std::vector<std::string>& arguments,
                      const ProgramOptions& options) {
  return RunningProgram(name, arguments, options).Finish();
}

}  // namespace shmemd::client
