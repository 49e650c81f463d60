// Entries that come, go and change while the loop runs: no session that lives notices.
#include <sys/stat.h>

#include <filesystem>
#include <future>
#include <thread>

#include "tests/relay/relay_fixture.h"

namespace shmemd::relay {
namespace {

using feed::CommandFailure;
using Session = feed::DetachCommand::Session;
using testing::HasSubstr;

class AttachTest : public RelayTest {
 protected:
  std::future<feed::CommandResult> Submit(feed::CommandBody body) {
    auto promise = std::make_shared<std::promise<feed::CommandResult>>();
    std::future<feed::CommandResult> result = promise->get_future();
    control_.Submit(std::move(body), base::MonotonicNanos() + 20'000'000'000,
                    [promise](const feed::CommandResult& done) { promise->set_value(done); });
    return result;
  }
  feed::CommandResult Do(feed::CommandBody body) { return Submit(std::move(body)).get(); }
  feed::CommandResult Attach(const state::BackendSpec& spec, bool replace = false) {
    return Do(feed::AttachCommand{spec, replace});
  }
  feed::CommandResult Detach(Session session = Session::kLeave) {
    return Do(feed::DetachCommand{spec_.id, session});
  }

  // The loop runs, and nothing is relayed.
  void StartEmpty() {
    loop_ = *RelayLoop::Create(queue_, control_, config_, 1);
    ASSERT_TRUE(loop_->Start().ok());
  }
  bool IsAttached() {
    bool attached = false;
    hub_.Read([&](const feed::ReplicaView& view) { attached = view.Find(spec_.id) != nullptr; });
    return attached;
  }
  bool IsGone() {
    const int64_t deadline_ns = base::MonotonicNanos() + 10'000'000'000;
    while (IsAttached() && base::MonotonicNanos() < deadline_ns) std::this_thread::yield();
    return !IsAttached();
  }
  std::string Uid() {
    std::string uid;
    EXPECT_TRUE(Shows([&](const state::Backend& shown) {
      uid = shown.uid();
      return true;
    }));
    return uid;
  }
  void Talks(RawFrontend& frontend) {
    Pass(frontend.main(), backend().main(), kEnableRing);
    Pass(backend().main(), frontend.main(), kRingEnabled);
  }
};

TEST_F(AttachTest, AnEntryThatComesLaterIsServed) {
  StartEmpty();
  backend_.emplace(BackendPath());
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kNone);
  EXPECT_TRUE(IsAttached()) << "when it is answered it is shown";
  RawFrontend frontend = ConnectAndStartDevice();
  const Fd file = NewFile();
  MapFile(frontend, file);
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kNone) << "the same again";
  spec_.guard = state::Guard::kProtect;
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kAlreadyAttached);
  Talks(frontend);
}

TEST_F(AttachTest, WithoutASessionItIsGoneAtOnce) {
  Start();
  ASSERT_TRUE(backend().Accept());
  ASSERT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  EXPECT_EQ(Detach().failure, CommandFailure::kNone);
  EXPECT_FALSE(IsAttached());
  EXPECT_FALSE(std::filesystem::exists(FrontendPath()));
  EXPECT_TRUE(backend().main().IsClosedByPeer());
  EXPECT_EQ(Detach().failure, CommandFailure::kBackendNotFound);
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kNone);
  RawFrontend frontend = ConnectAndShakeHands();
}

TEST_F(AttachTest, ALiveSessionGoesOnDetachingAndThenItIsGone) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  const Fd file = NewFile();
  MapFile(frontend, file);
  RawFrontend waiting(FrontendPath());
  EXPECT_EQ(Detach().failure, CommandFailure::kNone);
  EXPECT_TRUE(ShowsState(BackendState::kDetaching));
  EXPECT_FALSE(std::filesystem::exists(FrontendPath()));
  EXPECT_TRUE(waiting.IsClosedByPeer()) << "no new session begins";
  EXPECT_EQ(Detach().failure, CommandFailure::kNone) << "again";

  // It is followed as before.
  Talks(frontend);
  EXPECT_TRUE(ShowsMappings(1, state::MappingState::kMapped));
  backend().backend().Send(
      "0a000000 09000000 28000000 00000000 00000000 00000000 00000000 00000000 00000000 "
      "00100000 00000000 00000000 00000000");
  EXPECT_EQ(frontend.backend().ReceiveMessage().substr(0, 8), "0a000000");
  frontend.backend().Send("0a000000 05000000 08000000 00000000 00000000");
  EXPECT_EQ(backend().backend().ReceiveMessage().substr(0, 8), "0a000000");
  EXPECT_TRUE(ShowsMappings(0, state::MappingState::kMapped));
  EXPECT_TRUE(ShowsState(BackendState::kDetaching));

  frontend.main().Close();
  EXPECT_TRUE(backend().main().IsClosedByPeer());
  EXPECT_TRUE(IsGone());
}

TEST_F(AttachTest, ASessionIsEndedOnlyWhenAskedFor) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  EXPECT_EQ(Detach(Session::kRefuse).failure, CommandFailure::kBackendBusy);
  Talks(frontend);
  EXPECT_EQ(Detach(Session::kEnd).failure, CommandFailure::kNone);
  EXPECT_FALSE(IsAttached());
  EXPECT_TRUE(frontend.IsClosedByPeer());
  EXPECT_TRUE(backend().main().IsClosedByPeer());
}

TEST_F(AttachTest, AttachingAgainCancelsTheDetach) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  ASSERT_TRUE(ShowsState(BackendState::kActive));
  const std::string uid = Uid();
  EXPECT_EQ(Detach().failure, CommandFailure::kNone);
  ASSERT_TRUE(ShowsState(BackendState::kDetaching));
  state::BackendSpec other = spec_;
  other.query = state::Query::kInject;
  const feed::CommandResult refused = Attach(other);
  EXPECT_EQ(refused.failure, CommandFailure::kAlreadyAttached);
  EXPECT_THAT(refused.message, HasSubstr("being detached"));

  // The path was taken meanwhile.
  std::filesystem::create_directory(FrontendPath());
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kListenFailed);
  EXPECT_TRUE(ShowsState(BackendState::kDetaching));
  std::filesystem::remove(FrontendPath());

  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kNone);
  EXPECT_TRUE(ShowsState(BackendState::kActive));
  EXPECT_EQ(Uid(), uid);
  Talks(frontend);
  RawFrontend next(FrontendPath());
  EXPECT_TRUE(ShowsFinding(FindingCode::kSecondFrontend));
  frontend.main().Close();
  ASSERT_TRUE(backend().Accept());
  Pass(next.main(), backend().main(), kGetFeatures);
  EXPECT_EQ(Uid(), uid);
}

TEST_F(AttachTest, AListenerThatCannotBeLeavesNothing) {
  StartEmpty();
  backend_.emplace(BackendPath());
  spec_.frontend_socket = directory_.path() + "/missing/vmm.sock";
  const feed::CommandResult result = Attach(spec_);
  EXPECT_EQ(result.failure, CommandFailure::kListenFailed);
  EXPECT_THAT(result.message, HasSubstr(spec_.frontend_socket));
  EXPECT_FALSE(IsAttached());
  EXPECT_FALSE(backend().HasCaller());
}

TEST_F(AttachTest, AChangeWithoutASessionTakesWhoWaitsAlong) {
  StartRelay();
  ASSERT_TRUE(ShowsState(BackendState::kConnecting, StateReason::kSocketMissing));
  const std::string uid = Uid();
  RawFrontend waiting(FrontendPath());
  waiting.Send(kGetFeatures);
  spec_.backend_socket = directory_.path() + "/other.sock";
  spec_.socket_mode = 0600;
  EXPECT_EQ(Attach(spec_, true).failure, CommandFailure::kNone);
  EXPECT_NE(Uid(), uid);
  struct stat facts {};
  ASSERT_EQ(stat(FrontendPath().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  backend_.emplace(BackendPath());
  ASSERT_TRUE(backend().Accept());
  EXPECT_EQ(backend().main().ReceiveMessage(), kGetFeatures);
}

// A back-end may serve one connection and end with it.
TEST_F(AttachTest, AChangeWithoutASessionKeepsTheBackendThatWaits) {
  Start();
  ASSERT_TRUE(backend().Accept());
  ASSERT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  const std::string uid = Uid();
  spec_.guard = state::Guard::kProtect;
  spec_.frontend_socket = directory_.path() + "/./vmm2.sock";
  EXPECT_EQ(Attach(spec_, true).failure, CommandFailure::kNone);
  EXPECT_NE(Uid(), uid);
  ASSERT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  RawFrontend frontend(spec_.frontend_socket);
  Pass(frontend.main(), backend().main(), kGetFeatures);
  EXPECT_FALSE(backend().HasCaller());

  frontend.main().Close();
  ASSERT_TRUE(backend().main().IsClosedByPeer());
  ASSERT_TRUE(backend().Accept());
  ASSERT_TRUE(ShowsState(BackendState::kWaitingForFrontend));
  spec_.backend_socket = directory_.path() + "/other.sock";
  EXPECT_EQ(Attach(spec_, true).failure, CommandFailure::kNone);
  EXPECT_TRUE(backend().main().IsClosedByPeer()) << "it is the back-end no more";
}

TEST_F(AttachTest, AChangeHoldsForTheNextSession) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const std::string uid = Uid();
  const std::string old_path = FrontendPath();
  state::BackendSpec bad = spec_;
  bad.frontend_socket = directory_.path() + "/missing/vmm.sock";
  EXPECT_EQ(Attach(bad, true).failure, CommandFailure::kListenFailed);
  EXPECT_TRUE(std::filesystem::is_socket(old_path)) << "it stays as it was";

  state::BackendSpec next = spec_;
  next.frontend_socket = directory_.path() + "/next.sock";
  next.guard = state::Guard::kProtect;
  EXPECT_EQ(Attach(next, true).failure, CommandFailure::kNone);
  EXPECT_FALSE(std::filesystem::exists(old_path));
  EXPECT_EQ(Uid(), uid);
  EXPECT_EQ(Attach(next).failure, CommandFailure::kNone) << "this is how it is attached now";
  EXPECT_EQ(Attach(spec_).failure, CommandFailure::kAlreadyAttached);
  RawFrontend second(next.frontend_socket);
  Talks(frontend);
  frontend.main().Close();
  ASSERT_TRUE(backend().Accept());
  Pass(second.main(), backend().main(), kGetFeatures);
  EXPECT_TRUE(Shows([&](const state::Backend& shown) {
    return shown.uid() != uid && shown.spec().guard == state::Guard::kProtect;
  }));
}

TEST_F(AttachTest, AChangeTakenBackIsNoChange) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  const std::string uid = Uid();
  state::BackendSpec next = spec_;
  next.frontend_socket = directory_.path() + "/next.sock";
  EXPECT_EQ(Attach(next, true).failure, CommandFailure::kNone);
  EXPECT_EQ(Attach(spec_, true).failure, CommandFailure::kNone);
  EXPECT_FALSE(std::filesystem::exists(next.frontend_socket));
  frontend.main().Close();
  ASSERT_TRUE(backend().main().IsClosedByPeer());
  ASSERT_TRUE(backend().Accept());
  EXPECT_EQ(Uid(), uid);
  RawFrontend second(FrontendPath());
  Pass(second.main(), backend().main(), kGetFeatures);
}

TEST_F(AttachTest, AChangedOneThatIsDetachedIsGoneAfterItsSession) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  state::BackendSpec next = spec_;
  next.guard = state::Guard::kProtect;
  EXPECT_EQ(Attach(next, true).failure, CommandFailure::kNone);
  EXPECT_EQ(Detach().failure, CommandFailure::kNone);
  frontend.main().Close();
  EXPECT_TRUE(IsGone());
  EXPECT_FALSE(std::filesystem::exists(FrontendPath()));
}

// A retired one that the configuration names again in another way.
TEST_F(AttachTest, ADetachingOneCanBeReplaced) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  EXPECT_EQ(Detach().failure, CommandFailure::kNone);
  ASSERT_TRUE(ShowsState(BackendState::kDetaching));
  spec_.guard = state::Guard::kProtect;
  EXPECT_EQ(Attach(spec_, true).failure, CommandFailure::kNone);
  EXPECT_TRUE(ShowsState(BackendState::kNegotiating));
  Talks(frontend);
  frontend.main().Close();
  ASSERT_TRUE(backend().Accept());
  EXPECT_TRUE(
      Shows([](const state::Backend& shown) { return shown.spec().guard == state::Guard::kProtect; }));
}

TEST_F(AttachTest, ARefreshUnderWayEndsOnceWithTheDetach) {
  spec_.query = state::Query::kInject;
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  std::future<feed::CommandResult> refresh = Submit(feed::RefreshCommand{spec_.id});
  EXPECT_EQ(Detach(Session::kEnd).failure, CommandFailure::kNone);
  const feed::CommandResult result = refresh.get();
  EXPECT_EQ(result.failure, CommandFailure::kBackendNotFound);
  EXPECT_THAT(result.message, HasSubstr("detached"));
}

TEST_F(AttachTest, PeaksOfARelayedRegionStartAgain) {
  Start();
  RawFrontend frontend = ConnectAndStartDevice();
  EXPECT_EQ(Do(feed::ResetPeaksCommand{spec_.id, 0}).failure, CommandFailure::kNone);
  EXPECT_EQ(Do(feed::ResetPeaksCommand{spec_.id, std::nullopt}).failure, CommandFailure::kNone);
  EXPECT_EQ(Do(feed::ResetPeaksCommand{spec_.id, 9}).failure, CommandFailure::kRegionNotFound);
  EXPECT_EQ(Do(feed::ResetPeaksCommand{"other", std::nullopt}).failure, CommandFailure::kBackendNotFound);
}

TEST_F(AttachTest, AThousandTimesAttachedAndDetachedWhileOneLives) {
  Start();
  RawFrontend frontend = ConnectAndShakeHands();
  Talks(frontend);
  state::BackendSpec other = spec_;
  other.id = "other";
  other.frontend_socket = directory_.path() + "/other.vm";
  other.backend_socket = directory_.path() + "/other.sock";
  const size_t before = peers::OpenFdCount();
  for (int i = 0; i < 1000 && !HasFailure(); ++i) {
    EXPECT_EQ(Attach(other).failure, CommandFailure::kNone);
    EXPECT_EQ(Do(feed::DetachCommand{"other", Session::kLeave}).failure, CommandFailure::kNone);
    if (i % 50 == 0) Talks(frontend);
  }
  EXPECT_EQ(peers::OpenFdCount(), before);
  EXPECT_FALSE(std::filesystem::exists(other.frontend_socket));
}

TEST_F(AttachTest, ALoopThatRelaysNothingHasNoThread) {
  const auto threads = [] {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
    return count;
  };
  const size_t before = threads();
  loop_ = *RelayLoop::Create(queue_, control_, config_, 1);
  EXPECT_EQ(threads(), before);
  EXPECT_EQ(loop_->last_turn_ns(), 0);
  ASSERT_TRUE(loop_->Start().ok());
  EXPECT_GT(threads(), before);
}

}  // namespace
}  // namespace shmemd::relay
