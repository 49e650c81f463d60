// What the process tells whoever started it as a service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>

#include "server/base/unique_fd.h"
#include "tests/app/shmemd_process.h"

namespace shmemd::app {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Optional;
using testing::StartsWith;

// The socket of a service manager. `name`: a path, or @ and an abstract name.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), length), 0);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~NotifySocket() { unsetenv("NOTIFY_SOCKET"); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The next notice; "" when none comes.
  std::string Next(int timeout_ms = 30'000) const {
    pollfd wait{fd_.get(), POLLIN, 0};
    if (poll(&wait, 1, timeout_ms) != 1) return "";
    std::array<char, 4096> text{};
    const ssize_t size = recv(fd_.get(), text.data(), text.size(), 0);
    return {text.data(), static_cast<size_t>(std::max<ssize_t>(size, 0))};
  }

 private:
  base::UniqueFd fd_;
};

class ServiceNoticeTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  peers::TemporaryDirectory directory_;
};

TEST_F(ServiceNoticeTest, ReadyReloadingStopping) {
  const NotifySocket manager(Path("notify"));
  std::ofstream(Path("shmemd.yaml")) << "log: {level: info}\n";
  ShmemdProcess shmemd(Path("run"), {"--config", Path("shmemd.yaml"), "--timeouts-shutdown", "7s"});
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=serves");

  shmemd.process().Signal(SIGHUP);
  EXPECT_THAT(manager.Next(), ContainsRegex("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$"));
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=serves");

  std::ofstream(Path("shmemd.yaml")) << "nonsense: 1\n";
  shmemd.process().Signal(SIGHUP);
  EXPECT_THAT(manager.Next(), StartsWith("RELOADING=1\n"));
  EXPECT_THAT(manager.Next(), AllOf(StartsWith("READY=1\n"), HasSubstr("the last reload was refused")));

  shmemd.process().Signal(SIGTERM);
  // It may take timeouts.shutdown, and 20 s for all else.
  EXPECT_THAT(manager.Next(), AllOf(StartsWith("STOPPING=1\n"), HasSubstr("EXTEND_TIMEOUT_USEC=27000000")));
  EXPECT_THAT(shmemd.process().WaitForExit(std::chrono::seconds(30)), Optional(0));
  EXPECT_EQ(manager.Next(0), "");
}

TEST_F(ServiceNoticeTest, ReadyComesWhenTheSocketsAreThere) {
  const NotifySocket manager("@shmemd-test-" + std::to_string(getpid()));
  const ShmemdProcess shmemd(Path("run"));
  EXPECT_THAT(manager.Next(), StartsWith("READY=1\n"));
  EXPECT_TRUE(std::filesystem::is_socket(shmemd.api_socket()));
  EXPECT_TRUE(std::filesystem::is_socket(shmemd.admin_socket()));
}

TEST_F(ServiceNoticeTest, AStartThatFailsIsNeverReady) {
  const NotifySocket manager(Path("notify"));
  const Ended ended = RunShmemd({"--run-dir", Path("run"), "--metrics-listen", "256.0.0.1:1"});
  EXPECT_NE(ended.code, std::optional<int>(0));
  EXPECT_EQ(manager.Next(0), "");
}

TEST_F(ServiceNoticeTest, NobodyThereIsNoReasonToFail) {
  setenv("NOTIFY_SOCKET", Path("nobody").c_str(), 1);
  ShmemdProcess shmemd(Path("run"));
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(shmemd.process().transcript().WaitFor("NOTIFY_SOCKET", std::chrono::seconds(30)));
  shmemd.process().Signal(SIGTERM);
  EXPECT_THAT(shmemd.process().WaitForExit(std::chrono::seconds(30)), Optional(0));
}

}  // namespace
}  // namespace shmemd::app
