// What was attached by RPC after a restart, and what becomes of a state directory that is not as it should
// be.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/component/attach_fixture.h"

namespace shmemd::component {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;

using StateDirTest = AttachTest;

TEST_F(StateDirTest, WhatWasAcknowledgedIsAttachedAgainAfterAKill) {
  StartWithState();
  v1::AttachBackendRequest relay = RelayRequest("media0", Path("vm.sock"), Path("media0.sock"));
  relay.mutable_backend()->set_query(v1::Backend::INJECT);
  relay.mutable_backend()->mutable_listen_options()->set_mode(0640);
  relay.mutable_backend()->mutable_listen_options()->set_uid(1234);
  ASSERT_THAT(admin_->Attach(relay), IsOk());
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu \"0\"\\ \xc3\xa9.sock")), IsOk());
  ASSERT_THAT(admin_->AttachFrontend("gpu1", Path("gpu1.sock")), IsOk());
  ASSERT_THAT(admin_->Detach("gpu1"), IsOk());
  Kill();
  StartWithState();
  EXPECT_THAT(Ids(), ElementsAre("gpu0", "media0"));
  EXPECT_EQ(view_->Backend("gpu0").origin(), v1::Backend::RPC);
  EXPECT_EQ(view_->Backend("gpu0").backend_socket(), Path("gpu \"0\"\\ \xc3\xa9.sock"));
  EXPECT_EQ(view_->Backend("media0").query(), v1::Backend::INJECT);
  EXPECT_EQ(view_->Backend("media0").listen_options().mode(), 0640u);
  struct stat facts {};
  ASSERT_EQ(stat(Path("vm.sock").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  EXPECT_EQ(facts.st_uid, 1234u);
  EXPECT_THAT(admin_->Attach(relay), IsOk()) << "the same again";
  EXPECT_TRUE(Logged("back-end gpu0: frontend"));
}

TEST_F(StateDirTest, WithoutAStateDirectoryItIsForgotten) {
  Start();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  Kill();
  Start();
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(StateDirTest, TheConfigurationHoldsAgainstWhatWasWrittenDown) {
  StartWithState();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  ASSERT_THAT(admin_->AttachFrontend("gpu1", Path("gpu1.sock")), IsOk());
  ASSERT_THAT(admin_->AttachFrontend("gpu2", Path("gpu2.sock")), IsOk());
  Kill();
  StartWithState({"--probe", "gpu0=" + Path("other.sock"), "--probe", "cam0=" + Path("gpu1.sock")});
  EXPECT_THAT(Ids(), ElementsAre("cam0", "gpu0", "gpu2"));
  EXPECT_EQ(view_->Backend("gpu0").origin(), v1::Backend::CONFIG);
  EXPECT_EQ(view_->Backend("gpu0").mode(), v1::Backend::PROBE);
  EXPECT_TRUE(Logged("back-end gpu0 is named by the configuration, too, which holds"));
  EXPECT_TRUE(Logged("back-end gpu1 is not attached, but stays written down"));
  // Struck out by hand.
  EXPECT_THAT(admin_->Detach("gpu1"), IsOk());
  Kill();
  StartWithState();
  EXPECT_THAT(Ids(), ElementsAre("gpu2"));
}

TEST_F(StateDirTest, ARelayThatCannotListenAfterARestartStaysWrittenDown) {
  StartWithState();
  ASSERT_THAT(admin_->Attach(RelayRequest("media0", Path("dir/../vm.sock"), Path("media0.sock"))),
              IsError(StatusCode::FAILED_PRECONDITION, "LISTEN_FAILED"));
  std::filesystem::create_directory(Path("dir"));
  const v1::AttachBackendRequest request = RelayRequest("media0", Path("dir/vm.sock"), Path("media0.sock"));
  ASSERT_THAT(admin_->Attach(request), IsOk());
  Kill();
  std::filesystem::rename(Path("dir"), Path("away"));
  StartWithState();
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_TRUE(Logged("it is not attached, but stays in state_dir"));
  EXPECT_THAT(admin_->Attach(request), IsError(StatusCode::FAILED_PRECONDITION, "LISTEN_FAILED"));
  shmemd_->process().Signal(SIGHUP);
  EXPECT_TRUE(Logged("reload: not done media0"));
  std::filesystem::rename(Path("away"), Path("dir"));
  shmemd_->process().Signal(SIGHUP);
  EXPECT_TRUE(Logged("reload: added media0"));
  EXPECT_THAT(Ids(), ElementsAre("media0"));
  EXPECT_THAT(admin_->Attach(request), IsOk());
  Kill();
  StartWithState();
  EXPECT_THAT(Ids(), ElementsAre("media0"));
}

// What is acknowledged beside it must be attached again, too.
TEST_F(StateDirTest, WhatIsOnlyWrittenDownKeepsItsSockets) {
  std::filesystem::create_directory(Path("dir"));
  StartWithState({"--limits-max-backends", "2"});
  ASSERT_THAT(admin_->Attach(RelayRequest("x", Path("dir/vm.sock"), Path("x.sock"))), IsOk());
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  Kill();
  std::filesystem::rename(Path("dir"), Path("away"));
  StartWithState({"--limits-max-backends", "2"});
  EXPECT_THAT(Ids(), ElementsAre("gpu0"));
  for (const std::string& taken : {Path("x.sock"), Path("dir/./vm.sock")}) {
    const grpc::Status status = admin_->AttachFrontend("y", taken);
    EXPECT_THAT(status, IsError(StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY")) << taken;
    EXPECT_THAT(status.error_message(),
                HasSubstr("back-end x, which is only written down: DetachBackend strikes it out"));
  }
  ASSERT_THAT(admin_->AttachFrontend("z", Path("z.sock")), IsOk()) << "it does not count for the limit";
  EXPECT_THAT(admin_->AttachFrontend("more", Path("more.sock")),
              IsError(StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_BACKENDS"));
  std::filesystem::rename(Path("away"), Path("dir"));
  shmemd_->process().Signal(SIGHUP);
  EXPECT_TRUE(Logged("reload: not done x")) << "it would be one too many";
  Kill();
  StartWithState();
  EXPECT_THAT(Ids(), ElementsAre("gpu0", "x", "z"));
  ASSERT_THAT(admin_->Detach("x"), IsOk());
  EXPECT_THAT(admin_->AttachFrontend("y", Path("x.sock")), IsOk());
}

// The configuration's claim on an id replaces that of RPC, for good once it was detached.
TEST_F(StateDirTest, WhatTheConfigurationReplacedDoesNotComeBackAfterADetach) {
  StartWithState();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  Kill();
  StartWithState({"--probe", "gpu0=" + Path("other.sock")});
  ASSERT_THAT(admin_->Detach("gpu0"), IsOk());
  Kill();
  StartWithState();
  EXPECT_THAT(Ids(), IsEmpty());
}

// By another spelling, which only the file itself tells.
TEST_F(StateDirTest, WhatWasWrittenDownTakesNoSocketOfTheConfiguration) {
  std::filesystem::create_directory(Path("dir"));
  std::filesystem::create_directory_symlink(Path("dir"), Path("link"));
  StartWithState();
  ASSERT_THAT(admin_->Attach(RelayRequest("a", Path("link/vm.sock"), Path("a.sock"))), IsOk());
  ASSERT_THAT(admin_->Attach(RelayRequest("b", Path("link/admin.sock"), Path("b.sock"))), IsOk());
  Kill();
  StartWithState({"--relay", "z=" + Path("dir/vm.sock") + "," + Path("z.sock"), "--api-admin-socket",
                  Path("dir/admin.sock")});
  EXPECT_THAT(IdsOf(*view_), testing::Contains("z"));
  EXPECT_THAT(IdsOf(*view_), testing::Not(testing::Contains("a")));
  EXPECT_TRUE(Logged("back-end a is not attached, but stays written down"));
}

TEST_F(StateDirTest, WhatCannotBeWrittenDownIsNotDone) {
  StartWithState();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  std::filesystem::remove_all(StateDir());
  EXPECT_THAT(admin_->AttachFrontend("gpu1", Path("gpu1.sock")),
              IsError(StatusCode::UNAVAILABLE, "STATE_NOT_SAVED"));
  EXPECT_THAT(admin_->Attach(RelayRequest("media0", Path("vm.sock"), Path("media0.sock"))),
              IsError(StatusCode::UNAVAILABLE, "STATE_NOT_SAVED"));
  EXPECT_FALSE(std::filesystem::exists(Path("vm.sock")));
  const grpc::Status detach = admin_->Detach("gpu0");
  EXPECT_THAT(detach, IsError(StatusCode::UNAVAILABLE, "STATE_NOT_SAVED"));
  EXPECT_THAT(detach.error_message(), HasSubstr(StateDir()));
  EXPECT_THAT(Ids(), ElementsAre("gpu0"));
}

TEST_F(StateDirTest, AFileThatIsNotOursIsSetAside) {
  StartWithState();
  ASSERT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk());
  Kill();
  const std::string good = app::FileText(StateFile());
  const std::pair<std::string, std::string> cases[] = {
      {good.substr(0, good.size() / 2), "it is cut short"},
      {"version: 2\n" + good.substr(good.find('\n') + 1), "expected version 1, got 2"},
      {"nonsense", "expected a state file of shmemd"},
      {"", "expected a state file of shmemd"},
  };
  int aside = 0;
  for (const auto& [text, reason] : cases) {
    std::ofstream(StateFile(), std::ios::trunc) << text;
    StartWithState();
    ++aside;
    const std::string where = StateFile() + ".aside-" + std::to_string(aside);
    EXPECT_TRUE(Logged(reason));
    EXPECT_TRUE(Logged("set aside as " + where));
    EXPECT_EQ(app::FileText(where), text);
    EXPECT_THAT(Ids(), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(StateFile()));
    Kill();
  }
  std::ofstream(Path("precious")) << good;
  std::filesystem::create_symlink(Path("precious"), StateFile());
  StartWithState();
  EXPECT_TRUE(Logged("got a symbolic link"));
  ASSERT_THAT(admin_->AttachFrontend("gpu1", Path("gpu1.sock")), IsOk());
  EXPECT_EQ(app::FileText(Path("precious")), good);
  Kill();
  ASSERT_EQ(chown(StateFile().c_str(), 1234, 0), 0);
  StartWithState();
  EXPECT_TRUE(Logged("expected owner 0, got 1234"));
  Kill();
  std::filesystem::create_directory(StateFile());
  StartWithState();
  EXPECT_TRUE(Logged("expected a plain file"));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(StateDirTest, TwoDoNotShareAStateDirectory) {
  StartWithState();
  const app::Ended second = app::RunShmemd(
      {"--run-dir", Path("run2"), "--metrics-listen", "127.0.0.1:0", "--state-dir", StateDir()});
  EXPECT_THAT(second.code, Optional(1));
  EXPECT_THAT(second.log, ElementsAre("shmemd: state_dir: " + StateDir() +
                                      " is used by another shmemd: it holds " + StateDir() + "/lock"));
  std::ofstream(Path("file")) << "x";
  for (const std::string& directory : {Path("file"), Path("file/state"), std::string("/proc/shmemd/state")}) {
    const app::Ended ended = app::RunShmemd(
        {"--run-dir", Path("run2"), "--metrics-listen", "127.0.0.1:0", "--state-dir", directory});
    EXPECT_THAT(ended.code, Optional(1));
    EXPECT_THAT(ended.log, ElementsAre(testing::AllOf(HasSubstr("shmemd: state_dir: "),
                                                      HasSubstr(directory.substr(0, 12)))));
  }
  EXPECT_THAT(admin_->AttachFrontend("gpu0", Path("gpu0.sock")), IsOk()) << "the first one goes on";
}

}  // namespace
}  // namespace shmemd::component
