// SIGTERM beside VMs that run: relayed sessions end by themselves, or at the deadline, or at the second
// signal; nobody new is let in, and watchers are told.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/app/shmemd_process.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/raw_frontend.h"
#include "tests/peers/temporary_directory.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::component {
namespace {

namespace v1 = ::vhost::shmem::v1;

using std::chrono::seconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Optional;

constexpr char kGetStatus[] = "28000000 01000000 00000000";

class DrainTest : public testing::Test {
 protected:
  void Start(const std::string& timeout) {
    shmemd_ = std::make_unique<app::ShmemdProcess>(
        directory_.path() + "/run",
        std::vector<std::string>{
            "--relay", "vm0=" + FrontendPath() + "," + directory_.path() + "/b.sock", "--relay",
            "idle=" + directory_.path() + "/idle-f.sock," + directory_.path() + "/idle-b.sock",
            "--timeouts-shutdown", timeout});
    frontend_ = std::make_unique<peers::RawFrontend>(FrontendPath());
    ASSERT_TRUE(backend_.Accept());
    peers::ShakeHands(*frontend_, backend_);
  }

  std::string FrontendPath() const { return directory_.path() + "/f.sock"; }
  const peers::Transcript& log() const { return shmemd_->process().transcript(); }
  bool Logged(const std::string& text) { return log().WaitFor(text, seconds(30)); }

  const peers::TemporaryDirectory directory_;
  peers::RawBackend backend_{directory_.path() + "/b.sock"};
  std::unique_ptr<app::ShmemdProcess> shmemd_;
  std::unique_ptr<peers::RawFrontend> frontend_;
};

TEST_F(DrainTest, ASessionGoesOnUntilItsVmLeaves) {
  Start("10m");
  shmemd_->process().Signal(SIGTERM);
  ASSERT_TRUE(Logged("vm0: DETACHING"));
  peers::Pass(frontend_->main(), backend_.main(), kGetStatus);
  peers::Pass(backend_.main(), frontend_->main(), "28000000 05000000 08000000 00000000 00000000");
  EXPECT_FALSE(std::filesystem::exists(FrontendPath())) << "nobody new may wait there";
  frontend_->main().Close();
  EXPECT_THAT(shmemd_->process().WaitForExit(seconds(30)), Optional(0));
  EXPECT_THAT(log().lines(), Contains(HasSubstr("vm0: drained, its session ended by itself")));
  EXPECT_THAT(log().lines(), Not(Contains(HasSubstr("idle: drained"))));
  EXPECT_THAT(log().lines(), Not(Contains(HasSubstr("loses the device"))));
}

TEST_F(DrainTest, AtTheDeadlineItIsClosed) {
  Start("300ms");
  EXPECT_THAT(shmemd_->End(SIGTERM), Optional(0));
  EXPECT_TRUE(frontend_->main().IsClosedByPeer());
  EXPECT_TRUE(backend_.main().IsClosedByPeer());
  EXPECT_THAT(log().lines(), Contains(HasSubstr("vm0: its session is closed at the deadline")));
}

TEST_F(DrainTest, ASecondSignalEndsAtOnce) {
  Start("10m");
  shmemd_->process().Signal(SIGTERM);
  ASSERT_TRUE(Logged("vm0: DETACHING"));
  EXPECT_THAT(shmemd_->End(SIGINT), Optional(0));
  EXPECT_THAT(log().lines(), Contains(HasSubstr("vm0: its session is closed at once")));
}

TEST_F(DrainTest, WatchersGetALastBookmarkThenUnavailable) {
  Start("10m");
  auto inspector = v1::ShmemInspector::NewStub(
      grpc::CreateChannel("unix:" + shmemd_->api_socket(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(30));
  auto stream = inspector->Watch(&context, v1::WatchRequest());
  v1::WatchResponse response;
  while (!response.has_synced()) ASSERT_TRUE(stream->Read(&response));
  shmemd_->process().Signal(SIGTERM);
  v1::WatchResponse last;
  while (stream->Read(&response)) last = response;
  EXPECT_TRUE(last.has_bookmark()) << last.ShortDebugString();
  EXPECT_NE(last.resume_token(), "");
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  frontend_->main().Close();
  EXPECT_THAT(shmemd_->process().WaitForExit(seconds(30)), Optional(0));
}

}  // namespace
}  // namespace shmemd::component
