#include "server/net/unix_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "server/net/unix_socket.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::net {
namespace {

using testing::HasSubstr;

class UnixListenerTest : public testing::Test {
 protected:
  const peers::TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/api.sock";
};

// A socket that was left behind: bound, and nobody listens.
void LeaveStale(const std::string& path) {
  const sockaddr_un address = UnixAddress(path).value();
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
}

TEST_F(UnixListenerTest, ListensWithTheModeItWasGivenAndGoesWithoutATrace) {
  {
    const absl::StatusOr<UnixListener> listener = UnixListener::Listen(path_, {.mode = 0660});
    ASSERT_TRUE(listener.ok()) << listener.status();
    struct stat status {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0660u);
    const ConnectAttempt client = TryConnect(path_);
    ASSERT_TRUE(client.socket.is_open());
    const base::UniqueFd accepted = listener->Accept(true);
    ASSERT_TRUE(accepted.is_open());
    const PeerCredentials peer = ReadPeerCredentials(accepted.get());
    EXPECT_TRUE(peer.known);
    EXPECT_EQ(peer.pid, getpid());
    EXPECT_EQ(peer.uid, getuid());
    EXPECT_STRNE(peer.comm.data(), "");
    EXPECT_FALSE(listener->Accept(true).is_open());
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixListenerTest, TakesAStalePathOver) {
  LeaveStale(path_);
  EXPECT_EQ(TryConnect(path_).error_number, ECONNREFUSED);
  const absl::StatusOr<UnixListener> listener = UnixListener::Listen(path_, {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(TryConnect(path_).socket.is_open());
}

TEST_F(UnixListenerTest, LeavesAPathAloneWhereSomebodyAnswers) {
  const absl::StatusOr<UnixListener> first = UnixListener::Listen(path_, {});
  ASSERT_TRUE(first.ok());
  const absl::Status second = UnixListener::Listen(path_, {}).status();
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.message()), HasSubstr(path_));
  EXPECT_TRUE(TryConnect(path_).socket.is_open());
  // Without the lock file it is the answer that counts.
  std::filesystem::remove(path_ + ".lock");
  const absl::Status third = UnixListener::Listen(path_, {}).status();
  EXPECT_THAT(std::string(third.message()), HasSubstr("somebody serves it"));
}

TEST_F(UnixListenerTest, LeavesAFileAlone) {
  std::ofstream(path_) << "precious";
  const absl::Status status = UnixListener::Listen(path_, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixListenerTest, RemovesOnlyWhatIsItsOwn) {
  {
    const absl::StatusOr<UnixListener> listener = UnixListener::Listen(path_, {});
    ASSERT_TRUE(listener.ok());
    std::filesystem::remove(path_);
    LeaveStale(path_);
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

// Whoever may write to the directory does not get at other files by a link.
TEST_F(UnixListenerTest, PermitsOnlyWhatIsItsOwn) {
  const absl::StatusOr<UnixListener> listener = UnixListener::Listen(path_, {.mode = 0600});
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(listener->Permit({.mode = 0640, .owner = getuid(), .group = getgid()}), absl::OkStatus());
  struct stat facts {};
  ASSERT_EQ(stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);

  const std::string precious = directory_.path() + "/precious";
  std::ofstream(precious) << "x";
  ASSERT_EQ(chmod(precious.c_str(), 0400), 0);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink(precious, path_);
  const absl::Status linked = listener->Permit({.mode = 0666});
  EXPECT_EQ(linked.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(linked.message()), HasSubstr(path_));
  ASSERT_EQ(stat(precious.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0400u);

  std::filesystem::remove(path_);
  LeaveStale(path_);
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  EXPECT_EQ(listener->Permit({.mode = 0666}).code(), absl::StatusCode::kFailedPrecondition) << "another one";
  std::filesystem::remove(path_);
  EXPECT_EQ(listener->Permit({.mode = 0666}).code(), absl::StatusCode::kNotFound);
}

TEST_F(UnixListenerTest, ATooLongPathSaysSo) {
  const std::string path = directory_.path() + "/" + std::string(120, 'x');
  const absl::Status status = UnixListener::Listen(path, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("expected at most 107 bytes"));
  EXPECT_EQ(TryConnect(path).error_number, ENAMETOOLONG);
  EXPECT_FALSE(UnixAddress("").ok());
}

TEST_F(UnixListenerTest, AMissingDirectoryIsAnErrorThatNamesThePath) {
  const absl::Status status = UnixListener::Listen("/nonexistent/api.sock", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/api.sock"));
}

TEST(UnixSocket, NobodyThereSaysWhy) { EXPECT_EQ(TryConnect("/nonexistent/x.sock").error_number, ENOENT); }

}  // namespace
}  // namespace shmemd::net
