// Back-ends that come and go while the loop runs.
#include <gmock/gmock.h>

#include "tests/frontend/sidecar.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/script.h"

namespace shmemd::frontend {
namespace {

using feed::CommandFailure;
using peers::BackendThread;
using state::BackendState;
using testing::HasSubstr;

state::BackendSpec Spec(const std::string& id, const std::string& socket,
                        state::Mode mode = state::Mode::kFrontend) {
  return {.id = id, .backend_socket = socket, .mode = mode, .origin = state::Origin::kRpc};
}

class FrontendAttachTest : public testing::Test {
 protected:
  feed::CommandResult Attach(const state::BackendSpec& spec, bool replace = false) {
    return sidecar_.Do(feed::AttachCommand{spec, replace});
  }
  feed::CommandResult Detach(const std::string& id) {
    return sidecar_.Do(feed::DetachCommand{id, feed::DetachCommand::Session::kLeave});
  }
  std::string Uid(const std::string& id) {
    return sidecar_.Get<std::string>(id, [](const state::Backend& backend) { return backend.uid(); });
  }

  const FdBalance balance_;
  Sidecar sidecar_;
};

TEST_F(FrontendAttachTest, WhatComesLaterIsServedAndWhatGoesIsLeft) {
  BackendThread peer(peers::DefaultScript());
  sidecar_.Start();
  EXPECT_EQ(Attach(Spec("gpu0", peer.socket_path())).failure, CommandFailure::kNone);
  const std::string uid = Uid("gpu0");
  ASSERT_TRUE(sidecar_.WaitForState("gpu0", BackendState::kActive));
  EXPECT_EQ(Attach(Spec("gpu0", peer.socket_path())).failure, CommandFailure::kNone);
  EXPECT_EQ(Uid("gpu0"), uid);
  EXPECT_EQ(Attach(Spec("gpu0", "/other.sock")).failure, CommandFailure::kAlreadyAttached);
  EXPECT_EQ(Detach("gpu0").failure, CommandFailure::kNone);
  EXPECT_EQ(Detach("gpu0").failure, CommandFailure::kBackendNotFound);
  EXPECT_EQ(Attach(Spec("gpu0", peer.socket_path())).failure, CommandFailure::kNone);
  EXPECT_NE(Uid("gpu0"), uid);
  EXPECT_TRUE(sidecar_.WaitForState("gpu0", BackendState::kActive)) << "its connection was given back";
  EXPECT_EQ(Detach("gpu0").failure, CommandFailure::kNone);
  sidecar_.Stop();
  peer.Stop();
}

TEST_F(FrontendAttachTest, AChangeIsAnotherAttachment) {
  BackendThread peer(peers::DefaultScript());
  sidecar_.Start();
  EXPECT_EQ(Attach(Spec("gpu0", "/missing.sock")).failure, CommandFailure::kNone);
  const std::string uid = Uid("gpu0");
  EXPECT_EQ(Attach(Spec("gpu0", peer.socket_path(), state::Mode::kProbe), true).failure,
            CommandFailure::kNone);
  EXPECT_NE(Uid("gpu0"), uid);
  EXPECT_TRUE(sidecar_.WaitForState("gpu0", BackendState::kProbed));
  EXPECT_EQ(Detach("gpu0").failure, CommandFailure::kNone);
  sidecar_.Stop();
  peer.Stop();
}

// The back-end never answers, so the refresh is under way when the detach comes.
TEST_F(FrontendAttachTest, ARefreshUnderWayEndsOnce) {
  peers::Script script = peers::DefaultScript();
  script.is_silent = true;
  BackendThread peer(script);
  sidecar_.Start();
  EXPECT_EQ(Attach(Spec("cam0", peer.socket_path(), state::Mode::kProbe)).failure, CommandFailure::kNone);
  ASSERT_TRUE(sidecar_.WaitForState("cam0", BackendState::kNegotiating));
  peer.Stop();
  ASSERT_TRUE(sidecar_.WaitForState("cam0", BackendState::kFailed));
  BackendThread again(script, peer.socket_path());
  auto refresh = std::async(std::launch::async, [&] { return sidecar_.Do(feed::RefreshCommand{"cam0"}); });
  ASSERT_TRUE(sidecar_.WaitFor("cam0", [](const state::Backend& b) { return b.status().epoch > 1; }));
  EXPECT_EQ(Detach("cam0").failure, CommandFailure::kNone);
  const feed::CommandResult result = refresh.get();
  EXPECT_EQ(result.failure, CommandFailure::kBackendNotFound);
  EXPECT_THAT(result.message, HasSubstr("detached"));
  sidecar_.Stop();
  again.Stop();
}

TEST_F(FrontendAttachTest, AThousandCyclesLeaveNothing) {
  BackendThread peer(peers::DefaultScript());
  sidecar_.Start();
  const size_t before = OpenFdCount();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(Attach(Spec("gpu0", peer.socket_path())).failure, CommandFailure::kNone);
    ASSERT_EQ(Detach("gpu0").failure, CommandFailure::kNone);
  }
  sidecar_.Stop();
  peer.Stop();
  EXPECT_LE(OpenFdCount(), before);
}

}  // namespace
}  // namespace shmemd::frontend
