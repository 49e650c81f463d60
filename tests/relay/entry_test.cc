// Who is connected when, which socket is made how, and what readers are shown of it.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <thread>

#include "tests/relay/relay_fixture.h"

namespace shmemd::relay {
namespace {

using state::OnBackendMissing;
using state::SocketRole;
using testing::HasSubstr;

using EntryTest = RelayTest;

TEST_F(EntryTest, TheBackendIsConnectedBeforeAnyFrontend) {
  Start();
  ASSERT_TRUE(backend().Accept());
  EXPECT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  RawFrontend frontend(FrontendPath());
  Pass(frontend.main(), backend().main(), kGetFeatures);
  EXPECT_TRUE(ShowsState(BackendState::kNegotiating));
}

TEST_F(EntryTest, AFrontendWaitsForABackendThatIsMissing) {
  StartRelay();
  EXPECT_TRUE(ShowsState(BackendState::kConnecting, StateReason::kSocketMissing));
  RawFrontend frontend(FrontendPath());
  frontend.Send(kGetFeatures);
  backend_.emplace(BackendPath());
  ASSERT_TRUE(backend().Accept());
  EXPECT_EQ(backend().main().ReceiveMessage(), kGetFeatures);
}

TEST_F(EntryTest, AFrontendIsRefusedWhileTheBackendIsMissingIfSoConfigured) {
  spec_.on_backend_missing = OnBackendMissing::kRefuse;
  StartRelay();
  EXPECT_TRUE(ShowsState(BackendState::kConnecting, StateReason::kSocketMissing));
  EXPECT_TRUE(RawFrontend(FrontendPath()).IsClosedByPeer());
  EXPECT_TRUE(RawFrontend(FrontendPath()).IsClosedByPeer());
  backend_.emplace(BackendPath());
  ASSERT_TRUE(backend().Accept());
  RawFrontend frontend(FrontendPath());
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(EntryTest, ASecondFrontendWaitsAndIsReportedAndThenServed) {
  Start();
  RawFrontend first = ConnectAndShakeHands();
  RawFrontend second(FrontendPath());
  second.Send(kGetFeatures);
  EXPECT_TRUE(ShowsFinding(FindingCode::kSecondFrontend));
  EXPECT_TRUE(second.main().IsQuiet());
  Pass(first.main(), backend().main(), kGetFeatures);
  first.main().Close();
  EXPECT_TRUE(backend().main().IsClosedByPeer());
  ASSERT_TRUE(backend().Accept());
  EXPECT_EQ(backend().main().ReceiveMessage(), kGetFeatures);
}

TEST_F(EntryTest, AVmmThatReconnectsGetsAFreshBackendConnectionAndIsNotTakenForASecondOne) {
  Start();
  for (uint32_t round = 1; round <= 20; ++round) {
    RawFrontend frontend = ConnectAndShakeHands();
    EXPECT_TRUE(Shows([&](const state::Backend& shown) { return shown.status().epoch == round; }));
  }
  EXPECT_TRUE(Shows([&](const state::Backend& shown) {
    return shown.status().disconnect_counts[static_cast<size_t>(StateReason::kClosedByFrontend)] == 20;
  }));
  EXPECT_TRUE(Shows([](const state::Backend& shown) { return !Has(shown, FindingCode::kSecondFrontend); }));
}

TEST_F(EntryTest, ABackendThatGoesWhileNobodyIsThereIsConnectedAgain) {
  Start();
  ASSERT_TRUE(backend().Accept());
  EXPECT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  backend().main().Close();
  ASSERT_TRUE(backend().Accept());
  RawFrontend frontend(FrontendPath());
  Pass(frontend.main(), backend().main(), kGetFeatures);
}

TEST_F(EntryTest, WhatABackendSaysBeforeAnyFrontendIsThereReachesIt) {
  Start();
  ASSERT_TRUE(backend().Accept());
  backend().main().Send(kFeatures);
  RawFrontend frontend(FrontendPath());
  EXPECT_EQ(frontend.main().ReceiveMessage(), kFeatures);
}

// No edge tells when there is room again.
TEST_F(EntryTest, AFrontendThatComesWhileNoDescriptorIsLeftIsAcceptedLater) {
  Start();
  ASSERT_TRUE(backend().Accept());
  ASSERT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{256, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  std::vector<Fd> fillers;
  for (int fd = dup(0); fd >= 0; fd = dup(0)) fillers.emplace_back(fd);
  fillers.pop_back();
  RawFrontend frontend(FrontendPath());
  const int64_t connected_ns = base::MonotonicNanos();
  while (loop_->last_turn_ns() < connected_ns + 1'000'000) std::this_thread::yield();
  frontend.Send(kGetFeatures);
  fillers.clear();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(backend().main().ReceiveMessage(), kGetFeatures);
}

TEST_F(EntryTest, BothSidesMayListenWhileTheRelayConnects) {
  spec_.frontend_role = SocketRole::kConnect;
  Start();
  ASSERT_TRUE(backend().Accept());
  RawBackend vmm(FrontendPath());  // a listener is a listener
  ASSERT_TRUE(vmm.Accept());
  Pass(vmm.main(), backend().main(), kGetFeatures);
  Pass(backend().main(), vmm.main(), kFeatures);
}

TEST_F(EntryTest, TheRelayMayListenForBothSides) {
  spec_.backend_role = SocketRole::kListen;
  StartRelay();
  RawFrontend vmm(FrontendPath());
  RawFrontend device(BackendPath());
  Pass(vmm.main(), device.main(), kGetFeatures);
  Pass(device.main(), vmm.main(), kFeatures);
}

TEST_F(EntryTest, TheRelayMayListenForTheBackendOnly) {
  spec_.frontend_role = SocketRole::kConnect;
  spec_.backend_role = SocketRole::kListen;
  RawBackend vmm(FrontendPath());
  StartRelay();
  EXPECT_FALSE(vmm.HasCaller());
  RawFrontend device(BackendPath());
  ASSERT_TRUE(vmm.Accept());
  Pass(vmm.main(), device.main(), kGetFeatures);
  Pass(device.main(), vmm.main(), kFeatures);
}

struct stat Facts(const std::string& path) {
  struct stat facts {};
  EXPECT_EQ(lstat(path.c_str(), &facts), 0) << path;
  return facts;
}

TEST_F(EntryTest, TheSocketIsForItsGroupUnlessToldOtherwise) {
  ASSERT_EQ(chown(directory_.path().c_str(), getuid(), getgid()), 0);
  StartRelay();
  const struct stat facts = Facts(FrontendPath());
  EXPECT_TRUE(S_ISSOCK(facts.st_mode));
  EXPECT_EQ(facts.st_mode & 07777, 0660U);
  EXPECT_EQ(facts.st_gid, Facts(directory_.path()).st_gid);
}

TEST_F(EntryTest, TheSocketHasTheModeOwnerAndGroupThatWereAskedFor) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to give a socket to another user";
  spec_.socket_mode = 0600;
  spec_.socket_owner = 64055;
  spec_.socket_group = 104;
  spec_.backend_role = SocketRole::kListen;
  StartRelay();
  for (const std::string& path : {FrontendPath(), BackendPath()}) {
    const struct stat facts = Facts(path);
    EXPECT_EQ(facts.st_mode & 07777, 0600U);
    EXPECT_EQ(facts.st_uid, 64055U);
    EXPECT_EQ(facts.st_gid, 104U);
  }
}

TEST_F(EntryTest, AStalePathIsTakenOverAndOneThatIsServedIsNot) {
  backend_.emplace(BackendPath());
  {
    // The socket file of a process that is gone.
    const Fd stale(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    FrontendPath().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(bind(stale.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  StartRelay();
  RawFrontend frontend = Connect();
  Pass(frontend.main(), backend().main(), kGetFeatures);

  feed::UpdateQueue queue{64};
  feed::Control control;
  auto other = RelayLoop::Create(queue, control, config_, 2);
  ASSERT_TRUE(other.ok());
  const absl::Status status = (*other)->Attach(spec_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(FrontendPath()));
  EXPECT_THAT(std::string(status.message()), HasSubstr("back-end dev"));
}

TEST_F(EntryTest, APathThatIsNoSocketIsLeftAlone) {
  const Fd file(open(FrontendPath().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  EXPECT_EQ(TryStart().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(S_ISREG(Facts(FrontendPath()).st_mode));
}

TEST_F(EntryTest, StoppingEndsTheSessionForBothPeersAndLeavesNoDescriptorAndNoPath) {
  const size_t fds = peers::OpenFdCount();
  {
    Start();
    RawFrontend frontend = ConnectAndStartDevice();
    const Fd file = NewFile();
    MapFile(frontend, file);
    StopRelay();
    for (RawChannel* channel :
         {&frontend.main(), &frontend.backend(), &backend().main(), &backend().backend()})
      EXPECT_TRUE(channel->IsClosedByPeer());
    EXPECT_TRUE(ShowsState(BackendState::kDisconnected, StateReason::kClosedByShmemd));
    EXPECT_NE(access(FrontendPath().c_str(), F_OK), 0);
    backend_.reset();
  }
  EXPECT_EQ(peers::OpenFdCount(), fds);
}

TEST_F(EntryTest, TheVmmsEndClearsItsMappings) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  MapFile(frontend, NewFile());
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
  frontend.main().Close();
  EXPECT_TRUE(backend().main().IsClosedByPeer());
  EXPECT_TRUE(backend().backend().IsClosedByPeer());
  EXPECT_TRUE(Shows([](const state::Backend& shown) {
    return shown.Totals().mapping_count == 0 &&
           shown.status().disconnect_counts[static_cast<size_t>(StateReason::kClosedByFrontend)] == 1;
  }));
}

TEST_F(EntryTest, TheBackendsEndMakesItsMappingsStale) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  MapFile(frontend, NewFile());
  backend_.reset();
  EXPECT_TRUE(frontend.IsClosedByPeer());
  EXPECT_TRUE(frontend.IsBackendChannelClosed());
  EXPECT_TRUE(ShowsState(BackendState::kDisconnected, StateReason::kClosedByBackend));
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kStale));
}

TEST_F(EntryTest, ATornMessageOfTheBackendIsSaidToBeTheReason) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  backend().main().Send("01000000 05000000 08000000 0000");
  backend_.reset();
  EXPECT_EQ(frontend.main().Receive(14), "01000000 05000000 08000000 0000");
  EXPECT_TRUE(frontend.IsClosedByPeer());
  EXPECT_TRUE(ShowsState(BackendState::kDisconnected, StateReason::kClosedMidMessage));
}

}  // namespace
}  // namespace shmemd::relay
