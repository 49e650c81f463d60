// shmemctl probe against the demo back-end, and shmemctl metrics against a server of one answer.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "tests/client/run_program.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// shmem-demo-backend as a process of its own; it prints a line when it listens.
class DemoBackend {
 public:
  explicit DemoBackend(const std::string& misbehaviour = "") {
    std::string folder = "/tmp/shmemctl-probe.XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ + "/b.sock";
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const std::string program = std::string(SHMEMD_BIN_DIR) + "/shmem-demo-backend";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      if (misbehaviour.empty()) ::execl(program.c_str(), "demo", "--socket", path_.c_str(), nullptr);
      ::execl(program.c_str(), "demo", "--socket", path_.c_str(), "--misbehave", misbehaviour.c_str(),
              nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    char first = 0;
    EXPECT_EQ(::read(output_, &first, 1), 1) << "the demo back-end does not start";
    // Nobody reads the rest of what it prints; a back-end of a few connections does not fill the pipe.
  }
  ~DemoBackend() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    ::close(output_);
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  DemoBackend(const DemoBackend&) = delete;
  DemoBackend& operator=(const DemoBackend&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string path_;
  pid_t pid_ = -1;
  int output_ = -1;
};

ProgramRun Probe(const DemoBackend& backend, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"probe", backend.path()});
  return RunProgram("shmemctl", arguments);
}

TEST(Probe, GoodBackendPasses) {
  const DemoBackend backend;
  const ProgramRun run = Probe(backend, {});
  EXPECT_EQ(run.exit_code, 0) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr(" 0 failed"));
  EXPECT_THAT(run.out, HasSubstr("what it sent: num_regions 3 (count), reply 2056 B"));
  EXPECT_THAT(run.err, HasSubstr("ends after this"));
}

TEST(Probe, BrokenRuleIsExplainedAndExitsWith6) {
  const DemoBackend backend("count-too-small");
  const ProgramRun run = Probe(backend, {});
  EXPECT_EQ(run.exit_code, 6) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("too small: 3 sizes are not zero"));
  EXPECT_THAT(run.out, HasSubstr("\nnum-regions\n  rule:   "));
}

TEST(Probe, FailOnNeverExitsWith0) {
  const DemoBackend backend("count-too-small");
  EXPECT_EQ(Probe(backend, {"--fail-on", "never"}).exit_code, 0);
}

TEST(Probe, QuietNamesTheBrokenRules) {
  const DemoBackend backend("padding");
  const ProgramRun run = Probe(backend, {"-q"});
  EXPECT_EQ(run.exit_code, 6);
  EXPECT_EQ(run.out, "padding-zero\n");
  EXPECT_THAT(run.err, IsEmpty());
}

TEST(Probe, JunitAndJson) {
  const DemoBackend backend("count-too-small");
  const ProgramRun junit = Probe(backend, {"-o", "junit"});
  EXPECT_EQ(junit.exit_code, 6);
  EXPECT_THAT(junit.out, ::testing::StartsWith("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"));
  EXPECT_THAT(junit.out, HasSubstr("name=\"num-regions\">\n      <failure message="));
  EXPECT_THAT(Probe(backend, {"-o", "json", "--force"}).out, HasSubstr("\"result\": \"FAILED\""));
}

TEST(Probe, NoReplyIsATimeout) {
  const DemoBackend backend("no-reply");
  const ProgramRun run = Probe(backend, {"--timeout", "1s"});
  EXPECT_EQ(run.exit_code, 7) << run.out << run.err;
  EXPECT_THAT(run.out, HasSubstr("it ended early: "));
}

TEST(Probe, NobodyThereIsUnreachable) {
  const ProgramRun run = RunProgram("shmemctl", {"probe", "/nonexistent/b.sock"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("/nonexistent/b.sock"));
}

// A Unix socket at which one connection was accepted, as between a VMM and its back-end.
class SocketInUse {
 public:
  SocketInUse() {
    std::string folder = "/tmp/shmemctl-busy.XXXXXX";
    EXPECT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder_ + "/b.sock";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    for (int& fd : fds_) fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::bind(fds_[0], generic, sizeof address), 0);
    EXPECT_EQ(::listen(fds_[0], 5), 0);
    EXPECT_EQ(::connect(fds_[1], generic, sizeof address), 0);
    accepted_ = ::accept4(fds_[0], nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(accepted_, 0);
  }
  ~SocketInUse() {
    for (const int fd : fds_) ::close(fd);
    ::close(accepted_);
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  SocketInUse(const SocketInUse&) = delete;
  SocketInUse& operator=(const SocketInUse&) = delete;
  const std::string& path() const { return path_; }
  // Whether somebody else connected since.
  bool was_touched() const {
    ::fcntl(fds_[0], F_SETFL, O_NONBLOCK);
    const int fd = ::accept4(fds_[0], nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }

 private:
  std::string folder_;
  std::string path_;
  std::array<int, 2> fds_ = {-1, -1};
  int accepted_ = -1;
};

TEST(Probe, SocketInUseIsLeftAlone) {
  const SocketInUse busy;
  const ProgramRun refused = RunProgram("shmemctl", {"probe", busy.path()});
  EXPECT_EQ(refused.exit_code, 1);
  const std::string us = "shmemctl_test (pid " + std::to_string(::getpid()) + ")";
  EXPECT_THAT(refused.err, HasSubstr(" connected to " + busy.path() + " (1 connection, served by " + us));
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_FALSE(busy.was_touched());
  const ProgramRun forced = RunProgram("shmemctl", {"probe", busy.path(), "--force", "--timeout", "200ms"});
  EXPECT_EQ(forced.exit_code, 7);
  EXPECT_THAT(forced.err, HasSubstr("warning: "));
  EXPECT_THAT(forced.err, HasSubstr(" connected to " + busy.path()));
  EXPECT_TRUE(busy.was_touched());
}

TEST(Probe, SocketInUseIsKnownByEveryPath) {
  const SocketInUse busy;
  const std::string folder = busy.path().substr(0, busy.path().rfind('/'));
  const std::string link = folder + ".link";
  ASSERT_EQ(::symlink(folder.c_str(), link.c_str()), 0);
  const std::string file_link = folder + ".sock";
  ASSERT_EQ(::symlink((link + "/b.sock").c_str(), file_link.c_str()), 0);
  for (const std::string& path : {link + "/b.sock", file_link}) {
    const ProgramRun refused = RunProgram("shmemctl", {"probe", path});
    EXPECT_EQ(refused.exit_code, 1);
    EXPECT_THAT(refused.err, HasSubstr(" connected to " + path + ", which is " + busy.path() + " ("));
  }
  EXPECT_FALSE(busy.was_touched());
  ::unlink(link.c_str());
  ::unlink(file_link.c_str());
}

TEST(Probe, AnEmptyPathIsWrongUsage) {
  const ProgramRun run = RunProgram("shmemctl", {"probe", ""});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_EQ(run.err, "shmemctl: SOCKET: expected the path of a back-end's socket, got an empty string\n");
}

// Answers one connection on loopback with the bytes it was given.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int peer = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (peer < 0) return;
      std::array<char, 1024> buffer;
      const ssize_t got = ::recv(peer, buffer.data(), buffer.size(), 0);
      request_.assign(buffer.data(), got > 0 ? static_cast<size_t>(got) : 0);
      ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      // An empty answer is none: until the other side gives up.
      if (answer.empty()) ::recv(peer, buffer.data(), buffer.size(), 0);
      ::close(peer);
    });
  }
  ~OneAnswer() { Join(); }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;
  const std::string& address() const { return address_; }
  std::string request() {
    Join();
    return request_;
  }

 private:
  void Join() {
    if (!thread_.joinable()) return;
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  int fd_;
  std::string address_;
  std::string request_;
  std::thread thread_;
};

ProgramRun Metrics(const OneAnswer& server, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"metrics", "--metrics-endpoint", server.address()});
  return RunProgram("shmemctl", more);
}

TEST(Metrics, PrintsTheBody) {
  OneAnswer server("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nvhost_shmem_backend_up 1\n");
  const ProgramRun run = Metrics(server);
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out, "vhost_shmem_backend_up 1\n");
  EXPECT_THAT(server.request(), ::testing::StartsWith("GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:"));
}

TEST(Metrics, WhatIsNotMetricsIsAnError) {
  OneAnswer missing("HTTP/1.1 404 Not Found\r\n\r\n");
  const ProgramRun run = Metrics(missing);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("expected 200, got \"HTTP/1.1 404 Not Found\""));
  OneAnswer garbage("SSH-2.0-x\r\n");
  EXPECT_THAT(Metrics(garbage).err, HasSubstr("the answer is no HTTP"));
}

TEST(Metrics, NoAnswerAndNobodyThere) {
  OneAnswer silent("");
  EXPECT_EQ(Metrics(silent, {"--timeout", "200ms"}).exit_code, 7);
  EXPECT_EQ(RunProgram("shmemctl", {"metrics", "--metrics-endpoint", "127.0.0.1:1"}).exit_code, 3);
  EXPECT_EQ(RunProgram("shmemctl", {"metrics", "--metrics-endpoint", "nonsense"}).exit_code, 2);
}

}  // namespace
}  // namespace shmemd::client
