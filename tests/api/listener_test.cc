#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <iterator>

#include "tests/api/api_fixture.h"

namespace shmemd::api {
namespace {

using testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

class ListenerTest : public testing::Test {
 protected:
  // The error of a server with this configuration.
  absl::Status StartError(const ApiConfig& config) {
    ApiServer server(config, fleet_.reader(), control_);
    return server.Start();
  }
  bool Answers(const std::string& target) {
    const auto channel = ChannelTo(target);
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::GetServerInfoResponse response;
    return v1::ShmemInspector::NewStub(channel)
        ->GetServerInfo(&context, v1::GetServerInfoRequest(), &response)
        .ok();
  }

  // All back-ends with all that can be said of them, over one connection.
  bool SendsLargeAnswers(const std::string& target) {
    const auto inspector = v1::ShmemInspector::NewStub(ChannelTo(target));
    v1::ListBackendsRequest request;
    request.set_view(v1::VIEW_FULL);
    do {
      grpc::ClientContext context;
      SetTestDeadline(context);
      v1::ListBackendsResponse response;
      if (!inspector->ListBackends(&context, request, &response).ok()) return false;
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return true;
  }

  TempDir directory_;
  ApiConfig config_ = ConfigIn(directory_);
  Fleet fleet_;
  feed::Control control_;
};

TEST_F(ListenerTest, SocketsAndTheirDirectoryHaveTheirModesAndGoAtTheEnd) {
  ApiServer server(config_, fleet_.reader(), control_);
  ASSERT_EQ(server.Start(), absl::OkStatus());
  EXPECT_EQ(ModeOf(directory_.File("run")), 0750);
  EXPECT_EQ(ModeOf(config_.socket.path), 0660);
  EXPECT_EQ(ModeOf(config_.admin_socket.path), 0600);
  EXPECT_TRUE(Answers("unix:" + config_.socket.path));
  server.Shutdown(std::chrono::milliseconds(100));
  EXPECT_FALSE(std::filesystem::exists(config_.socket.path));
  EXPECT_FALSE(std::filesystem::exists(config_.admin_socket.path));
}

TEST_F(ListenerTest, AStalePathIsTakenOver) {
  std::filesystem::create_directory(directory_.File("run"));
  {
    base::UniqueFd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    config_.socket.path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(config_.socket.path));
  ApiServer server(config_, fleet_.reader(), control_);
  ASSERT_EQ(server.Start(), absl::OkStatus());
  EXPECT_TRUE(Answers("unix:" + config_.socket.path));
}

TEST_F(ListenerTest, APathInUseIsRefusedAndTheFirstServerGoesOn) {
  ApiServer first(config_, fleet_.reader(), control_);
  ASSERT_EQ(first.Start(), absl::OkStatus());
  EXPECT_THAT(std::string(StartError(config_).message()), HasSubstr(config_.socket.path));
  EXPECT_TRUE(Answers("unix:" + config_.socket.path));
  EXPECT_TRUE(Answers("unix:" + config_.admin_socket.path));
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsRefusedAndStays) {
  std::filesystem::create_directory(directory_.File("run"));
  std::ofstream(config_.admin_socket.path) << "precious";
  EXPECT_THAT(std::string(StartError(config_).message()), HasSubstr(config_.admin_socket.path));
  EXPECT_TRUE(std::filesystem::exists(config_.admin_socket.path));
  EXPECT_FALSE(std::filesystem::exists(config_.socket.path)) << "the other listener was left behind";
}

TEST_F(ListenerTest, APathThatIsTooLongIsRefused) {
  config_.socket.path = directory_.File(std::string(120, 'x'));
  const absl::Status status = StartError(config_);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("107"));
}

TEST_F(ListenerTest, ADirectoryThatCannotBeMadeIsNamed) {
  std::ofstream(directory_.File("file")) << "";
  config_.socket.path = directory_.File("file/run/api.sock");
  EXPECT_THAT(std::string(StartError(config_).message()), HasSubstr(directory_.File("file")));
}

TEST_F(ListenerTest, ASocketThatIsNoLongerOursStays) {
  ApiServer server(config_, fleet_.reader(), control_);
  ASSERT_EQ(server.Start(), absl::OkStatus());
  std::filesystem::remove(config_.socket.path);
  std::ofstream(config_.socket.path) << "somebody else's";
  server.Shutdown(std::chrono::milliseconds(100));
  EXPECT_TRUE(std::filesystem::exists(config_.socket.path));
}

TEST_F(ListenerTest, ALoopbackPortIsPickedAndServed) {
  config_.listen = "127.0.0.1:0";
  ApiServer server(config_, fleet_.reader(), control_);
  ASSERT_EQ(server.Start(), absl::OkStatus());
  EXPECT_THAT(server.listen_address(), testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  EXPECT_TRUE(Answers(server.listen_address()));

  v1::RefreshBackendRequest request;
  request.set_name("backends/x");
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::Backend backend;
  EXPECT_THAT(v1::ShmemAdmin::NewStub(ChannelTo(server.listen_address()))
                  ->RefreshBackend(&context, request, &backend),
              IsError(grpc::StatusCode::PERMISSION_DENIED, "ADMIN_ROLE_REQUIRED"));
}

TEST_F(ListenerTest, APortInUseIsOneErrorThatNamesIt) {
  config_.listen = "127.0.0.1:0";
  ApiServer first(config_, fleet_.reader(), control_);
  ASSERT_EQ(first.Start(), absl::OkStatus());
  ApiConfig second;
  second.listen = first.listen_address();
  EXPECT_THAT(std::string(StartError(second).message()),
              testing::AllOf(HasSubstr(first.listen_address()), HasSubstr("EADDRINUSE")));
}

TEST_F(ListenerTest, OnlyLoopbackIsServedWithoutTls) {
  ApiConfig config;
  for (const char* address : {"0.0.0.0:18045", "192.0.2.1:1", "[::]:18045", "[2001:db8::1]:1"}) {
    config.listen = address;
    const absl::Status status = StartError(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), testing::AllOf(HasSubstr(address), HasSubstr("loopback")));
  }
}

TEST_F(ListenerTest, AddressesThatAreNoneAreRefused) {
  ApiConfig config;
  for (const char* address : {"x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                              "127.0.0.1:1x", ":", "::1:1", "example.com:1", "[::1:1", "[127.0.0.1]:1"}) {
    config.listen = address;
    const absl::Status status = StartError(config);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()), HasSubstr("api.listen")) << address;
  }
}

// An answer that did not fit into a socket leaves a thread for which gRPC's own end may wait 10 s, by chance:
// what shows each time is whether the library has ended.
TEST_F(ListenerTest, AServerThatSentLargeAnswersEndsAtOnce) {
  config_.listen = "127.0.0.1:0";
  for (int i = 0; i < 30; ++i) {
    fleet_.Attach("b" + std::to_string(i));
    fleet_.RaiseEveryFinding("b" + std::to_string(i));
  }
  const auto cycle = [this] {
    ApiServer server(config_, fleet_.reader(), control_);
    ASSERT_EQ(server.Start(), absl::OkStatus());
    EXPECT_TRUE(SendsLargeAnswers("unix:" + config_.socket.path));
    EXPECT_TRUE(SendsLargeAnswers(server.listen_address()));
  };
  for (int i = 0; i < 10; ++i) {
    const auto ended = std::async(std::launch::async, cycle);
    ASSERT_EQ(ended.wait_for(std::chrono::seconds(5)), std::future_status::ready) << "cycle " << i;
  }
  EXPECT_TRUE(grpc_is_initialized());
}

// Descriptors of the last connection are closed by gRPC's threads, a moment after.
TEST_F(ListenerTest, ServersThatCameAndWentLeaveNoDescriptors) {
  const auto count = [] {
    using Iterator = std::filesystem::directory_iterator;
    return std::distance(Iterator("/proc/self/fd"), Iterator());
  };
  const auto cycle = [&] {
    config_.listen = "127.0.0.1:0";
    ApiServer server(config_, fleet_.reader(), control_);
    ASSERT_EQ(server.Start(), absl::OkStatus());
    EXPECT_TRUE(Answers("unix:" + config_.socket.path));
    EXPECT_TRUE(Answers(server.listen_address()));
    server.Shutdown(std::chrono::milliseconds(100));
  };
  cycle();  // gRPC opens what it keeps for good
  const auto before = count();
  for (int i = 0; i < 10; ++i) cycle();
  const int64_t deadline = base::MonotonicNanos() + 10'000'000'000;
  while (count() > before && base::MonotonicNanos() < deadline) std::this_thread::yield();
  EXPECT_LE(count(), before);
}

}  // namespace
}  // namespace shmemd::api
