// SIGHUP: what the configuration names comes, goes and changes; nothing else does.
#include <atomic>
#include <thread>

#include "tests/component/admin_client.h"
#include "tests/peers/raw_backend.h"

namespace shmemd::component {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

constexpr std::chrono::seconds kPatience{30};
constexpr char kUnmap[] =
    "0a000000 09000000 28000000 00000000 00000000 00000000 00000000 00000000 00000000 00100000 00000000 "
    "00000000 00000000";

std::string FrontendEntry(const std::string& id, const std::string& socket) {
  return "  - {id: " + id + ", mode: frontend, backend: {connect: " + socket + "}}\n";
}
std::string RelayEntry(const std::string& id, const std::string& listen, const std::string& connect,
                       const std::string& more = "") {
  return "  - {id: " + id + ", mode: relay, frontend: {listen: " + listen +
         "}, backend: {connect: " + connect + "}" + more + "}\n";
}

class ReloadTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string File() const { return Path("shmemd.yaml"); }

  void Write(const std::string& backends, const std::string& settings = "") const {
    std::ofstream(File(), std::ios::trunc) << settings << "backends:\n" << backends;
  }
  void Start(const std::vector<std::string>& more = {}) {
    std::vector<std::string> flags = {"--config",        File(), "--reconnect-min", "2ms",
                                      "--reconnect-max", "20ms"};
    flags.insert(flags.end(), more.begin(), more.end());
    shmemd_ = std::make_unique<app::ShmemdProcess>(Path("run"), flags);
    admin_ = std::make_unique<AdminClient>(*shmemd_);
    view_ = std::make_unique<ShmemdView>(*shmemd_);
  }
  // Reads the file again, and waits for what the log says of it; returns that line.
  std::string Reload() {
    const auto count = [&] {
      const std::vector<std::string> lines = shmemd_->process().transcript().lines();
      return std::count_if(lines.begin(), lines.end(), IsResult);
    };
    const auto before = count();
    shmemd_->process().Signal(SIGHUP);
    EXPECT_GE(MillisecondsUntil([&] { return count() > before; }, kPatience), 0)
        << "no word about the reload";
    const std::vector<std::string> lines = shmemd_->process().transcript().lines();
    const auto last = std::find_if(lines.rbegin(), lines.rend(), IsResult);
    return last == lines.rend() ? "" : last->substr(last->find("reload"));
  }
  static bool IsResult(const std::string& line) {
    return line.find(" info reload: ") != std::string::npos ||
           line.find("reload refused") != std::string::npos;
  }
  bool Logged(const std::string& text) const {
    return shmemd_->process().transcript().WaitFor(text, kPatience);
  }
  std::map<std::string, std::string> Uids() const {
    std::map<std::string, std::string> uids;
    for (const v1::Backend& backend : view_->Backends()) uids[backend.name().substr(9)] = backend.uid();
    return uids;
  }
  bool ShowsState(const std::string& id, v1::Backend::State state) const {
    return MillisecondsUntil([&] { return view_->Backend(id).state() == state; }, kPatience) >= 0;
  }

  const peers::TemporaryDirectory directory_;
  std::unique_ptr<app::ShmemdProcess> shmemd_;
  std::unique_ptr<AdminClient> admin_;
  std::unique_ptr<ShmemdView> view_;
};

TEST_F(ReloadTest, AddsRemovesAndChangesWhatTheFileNames) {
  Write(FrontendEntry("keep", Path("keep.sock")) + FrontendEntry("go", Path("go.sock")) +
        FrontendEntry("change", Path("change.sock")));
  Start({"--probe", "flag=" + Path("flag.sock")});
  ASSERT_THAT(admin_->AttachFrontend("rpc", Path("rpc.sock")), IsOk());
  const auto before = Uids();
  EXPECT_EQ(Reload(), "reload: no back-end changed");
  EXPECT_EQ(Uids(), before);

  // The socket of the one that goes is free for the one that comes.
  Write(FrontendEntry("keep", Path("keep.sock")) + FrontendEntry("change", Path("changed.sock")) +
        FrontendEntry("come", Path("go.sock")));
  EXPECT_EQ(Reload(), "reload: added come; removed go; changed change");
  const auto after = Uids();
  EXPECT_THAT(IdsOf(*view_), ElementsAre("change", "come", "flag", "keep", "rpc"));
  for (const std::string id : {"keep", "rpc", "flag"}) EXPECT_EQ(after.at(id), before.at(id)) << id;
  EXPECT_NE(after.at("change"), before.at("change"));
  EXPECT_EQ(view_->Backend("change").backend_socket(), Path("changed.sock"));
  EXPECT_THAT(shmemd_->End(SIGTERM), Optional(0));
}

TEST_F(ReloadTest, ABadFileIsRefusedAsAWhole) {
  Write(FrontendEntry("gpu0", Path("gpu0.sock")));
  Start();
  ASSERT_THAT(admin_->AttachFrontend("rpc", Path("rpc.sock")), IsOk());
  const auto before = Uids();
  const std::pair<std::string, std::string> cases[] = {
      {FrontendEntry("new", Path("new.sock")) + "  - {id: bad, mode: fronted, backend: {connect: /x}}\n",
       File() + ":3: backends[1].mode: expected relay, frontend or probe, got 'fronted'"},
      {"  {", File() + ":"},
      {FrontendEntry("new", Path("new.sock")) + FrontendEntry("rpc", Path("other.sock")),
       "back-end rpc was attached by RPC in another way"},
      {FrontendEntry("new", Path("./rpc.sock")), "is in use by back-end rpc, which was attached by RPC"},
      {FrontendEntry("a", Path("same.sock")) + FrontendEntry("b", Path("same.sock")), "have the same socket"},
      {FrontendEntry("new", Path("run/api.sock")), "have the same path"},
  };
  for (const auto& [backends, reason] : cases) {
    Write(backends);
    const std::string said = Reload();
    EXPECT_THAT(said, HasSubstr("reload refused, nothing is changed: "));
    EXPECT_THAT(said, HasSubstr(reason));
    EXPECT_EQ(Uids(), before) << backends;
  }
  std::filesystem::remove(File());
  EXPECT_THAT(Reload(), HasSubstr("No such file"));
  EXPECT_EQ(Uids(), before);
}

TEST_F(ReloadTest, WhatRpcAttachedStaysItsOwn) {
  Write("");
  Start({"--state-dir", Path("state")});
  ASSERT_THAT(admin_->AttachFrontend("rpc", Path("rpc.sock")), IsOk());
  const auto before = Uids();
  Write(FrontendEntry("rpc", Path("rpc.sock")));
  EXPECT_EQ(Reload(), "reload: no back-end changed");
  EXPECT_EQ(Uids(), before);
  Write("");
  EXPECT_EQ(Reload(), "reload: no back-end changed");
  EXPECT_EQ(view_->Backend("rpc").origin(), v1::Backend::RPC);
}

TEST_F(ReloadTest, WhatRpcDetachedComesBack) {
  Write(FrontendEntry("gpu0", Path("gpu0.sock")));
  Start();
  ASSERT_THAT(admin_->Detach("gpu0"), IsOk());
  EXPECT_EQ(Reload(), "reload: added gpu0");
  EXPECT_THAT(IdsOf(*view_), ElementsAre("gpu0"));
}

TEST_F(ReloadTest, SettingsThatNeedARestartAreNamed) {
  Write(RelayEntry("media0", Path("vm.sock"), Path("media0.sock")),
        "limits: {max_events: 100, max_watchers: 7}\ntimeouts: {query: 5s}\n");
  Start();
  Write(RelayEntry("media0", Path("vm.sock"), Path("media0.sock")),
        "limits: {max_watchers: 8}\ntimeouts: {query: 5000ms}\nrelay: {guard: protect}\n");
  EXPECT_EQ(Reload(), "reload: changed media0");
  EXPECT_TRUE(Logged("only a restart takes them: limits.max_events, limits.max_watchers"));
  EXPECT_EQ(view_->Backend("media0").guard(), v1::Backend::PROTECT) << "relay settings make entries";
}

TEST_F(ReloadTest, AnEntryThatCannotBeHadIsSaidAndTheOthersAreDone) {
  Write(RelayEntry("a", Path("a.vm"), Path("a.sock")));
  Start();
  const auto before = Uids();
  Write(RelayEntry("a", Path("missing/a.vm"), Path("a.sock")) +
        RelayEntry("b", Path("missing/b.vm"), Path("b.sock")) + FrontendEntry("c", Path("c.sock")));
  EXPECT_EQ(Reload(), "reload: added c; not done a, b");
  EXPECT_TRUE(Logged(Path("missing/a.vm")));
  EXPECT_EQ(Uids().at("a"), before.at("a"));
  EXPECT_TRUE(std::filesystem::is_socket(Path("a.vm")));
  std::filesystem::create_directory(Path("missing"));
  EXPECT_EQ(Reload(), "reload: added b; changed a");
  EXPECT_FALSE(std::filesystem::exists(Path("a.vm")));
  EXPECT_TRUE(std::filesystem::is_socket(Path("missing/a.vm")));
}

// Whoever waits at a socket that stays is served by the entry as it is now.
TEST_F(ReloadTest, AModeMayChangeWhileNoSessionLives) {
  Write(FrontendEntry("a", Path("a.sock")) + RelayEntry("b", Path("b.vm"), Path("b.sock")));
  Start();
  Write(RelayEntry("a", Path("a.vm"), Path("a.sock")) + FrontendEntry("b", Path("b.sock")));
  EXPECT_EQ(Reload(), "reload: changed a, b");
  EXPECT_EQ(view_->Backend("a").mode(), v1::Backend::RELAY);
  EXPECT_EQ(view_->Backend("b").mode(), v1::Backend::FRONTEND);
  EXPECT_TRUE(std::filesystem::is_socket(Path("a.vm")));
  EXPECT_FALSE(std::filesystem::exists(Path("b.vm")));
}

TEST_F(ReloadTest, AChangedRelayHoldsForTheNextSession) {
  peers::RawBackend old_backend(Path("old.sock"));
  peers::RawBackend new_backend(Path("new.sock"));
  Write(RelayEntry("media0", Path("old.vm"), Path("old.sock")));
  Start();
  peers::RawFrontend frontend(Path("old.vm"));
  ASSERT_TRUE(old_backend.Accept());
  peers::ShakeHands(frontend, old_backend);
  const std::string uid = view_->Backend("media0").uid();

  Write(RelayEntry("media0", Path("new.vm"), Path("new.sock"), ", guard: protect"));
  EXPECT_EQ(Reload(), "reload: changed media0");
  EXPECT_EQ(view_->Backend("media0").uid(), uid);
  EXPECT_EQ(view_->Backend("media0").guard(), v1::Backend::WARN);
  EXPECT_FALSE(std::filesystem::exists(Path("old.vm")));
  peers::RawFrontend next(Path("new.vm"));
  peers::Pass(frontend.main(), old_backend.main(), "01000000 01000000 00000000");
  peers::Pass(old_backend.main(), frontend.main(), "01000000 05000000 08000000 00000040 01000000");
  EXPECT_FALSE(new_backend.HasCaller());

  frontend.main().Close();
  ASSERT_TRUE(new_backend.Accept());
  peers::Pass(next.main(), new_backend.main(), "01000000 01000000 00000000");
  const auto is_new = [&] { return view_->Backend("media0").guard() == v1::Backend::PROTECT; };
  EXPECT_GE(MillisecondsUntil(is_new, kPatience), 0);
  EXPECT_NE(view_->Backend("media0").uid(), uid);
  EXPECT_EQ(view_->Backend("media0").backend_socket(), Path("new.sock"));
}

TEST_F(ReloadTest, AModeStaysWhileASessionLives) {
  peers::RawBackend backend(Path("b.sock"));
  Write(RelayEntry("media0", Path("vm.sock"), Path("b.sock")));
  Start();
  peers::RawFrontend frontend(Path("vm.sock"));
  ASSERT_TRUE(backend.Accept());
  peers::ShakeHands(frontend, backend);
  Write(FrontendEntry("media0", Path("b.sock")));
  EXPECT_EQ(Reload(), "reload: not done media0");
  EXPECT_TRUE(Logged("a session is under way: it stays as it was"));
  peers::Pass(frontend.main(), backend.main(), "01000000 01000000 00000000");
}

// A back-end that serves one connection at a time would have to end the one that lives.
TEST_F(ReloadTest, SocketsOfASessionAreLeftToIt) {
  peers::RawBackend backend(Path("b.sock"));
  Write(RelayEntry("x", Path("x.vm"), Path("b.sock")));
  Start();
  peers::RawFrontend frontend(Path("x.vm"));
  ASSERT_TRUE(backend.Accept());
  peers::ShakeHands(frontend, backend);

  Write(FrontendEntry("y", Path("b.sock")) + FrontendEntry("z", Path("z.sock")));
  EXPECT_EQ(Reload(), "reload: added z; removed x; not done y");
  EXPECT_TRUE(Logged("back-end y: " + Path("b.sock") + " is in use by back-end x: it is not done"));
  // One id is not with both at a time.
  Write(FrontendEntry("x", Path("other.sock")) + FrontendEntry("z", Path("z.sock")));
  EXPECT_EQ(Reload(), "reload: not done x");
  EXPECT_TRUE(Logged("back-end x: it is being detached, and a session of it lives: it is not done"));
  EXPECT_THAT(IdsOf(*view_), ElementsAre("x", "z"));
  EXPECT_EQ(view_->Backend("x").state(), v1::Backend::DETACHING);
  EXPECT_FALSE(backend.HasCaller());
  peers::Pass(frontend.main(), backend.main(), "01000000 01000000 00000000");

  frontend.main().Close();
  EXPECT_GE(MillisecondsUntil([&] { return view_->Backend("x").name().empty(); }, kPatience), 0);
  EXPECT_EQ(Reload(), "reload: added x");
  EXPECT_EQ(view_->Backend("x").mode(), v1::Backend::FRONTEND);
}

TEST_F(ReloadTest, SocketsMayBeShiftedAndSwapped) {
  Write(RelayEntry("a", Path("1.vm"), Path("1.sock")) + RelayEntry("b", Path("2.vm"), Path("2.sock")) +
        RelayEntry("c", Path("3.vm"), Path("3.sock")) + FrontendEntry("d", Path("4.sock")));
  Start();
  Write(RelayEntry("a", Path("2.vm"), Path("2.sock")) + RelayEntry("b", Path("3.vm"), Path("3.sock")) +
        RelayEntry("c", Path("5.vm"), Path("4.sock")) + FrontendEntry("d", Path("6.sock")));
  EXPECT_EQ(Reload(), "reload: changed a, b, c, d");
  EXPECT_FALSE(std::filesystem::exists(Path("1.vm")));
  for (const std::string name : {"2.vm", "3.vm", "5.vm"}) {
    EXPECT_TRUE(std::filesystem::is_socket(Path(name))) << name;
  }
  Write(RelayEntry("a", Path("3.vm"), Path("2.sock")) + RelayEntry("b", Path("5.vm"), Path("6.sock")) +
        RelayEntry("c", Path("2.vm"), Path("3.sock")) + FrontendEntry("d", Path("4.sock")));
  EXPECT_EQ(Reload(), "reload: changed a, b, c, d");
  EXPECT_EQ(view_->Backend("a").frontend_socket(), Path("3.vm"));
  EXPECT_EQ(view_->Backend("b").frontend_socket(), Path("5.vm"));
  EXPECT_EQ(view_->Backend("c").frontend_socket(), Path("2.vm"));
  for (const std::string name : {"2.vm", "3.vm", "5.vm"}) {
    EXPECT_TRUE(std::filesystem::is_socket(Path(name))) << name;
  }
}

// The one with a session changes as it always does; the other one waits for what that session uses.
TEST_F(ReloadTest, ASwapWithALiveSessionIsDoneWhenItIsOver) {
  peers::RawBackend backend(Path("1.sock"));
  Write(RelayEntry("a", Path("1.vm"), Path("1.sock")) + RelayEntry("b", Path("2.vm"), Path("2.sock")));
  Start();
  peers::RawFrontend frontend(Path("1.vm"));
  ASSERT_TRUE(backend.Accept());
  peers::ShakeHands(frontend, backend);
  Write(RelayEntry("a", Path("2.vm"), Path("2.sock")) + RelayEntry("b", Path("1.vm"), Path("1.sock")));
  EXPECT_EQ(Reload(), "reload: changed a; not done b");
  peers::Pass(frontend.main(), backend.main(), "01000000 01000000 00000000");
  EXPECT_FALSE(backend.HasCaller());
  frontend.main().Close();
  const auto changed = [&] { return view_->Backend("a").backend_socket() == Path("2.sock"); };
  EXPECT_GE(MillisecondsUntil(changed, kPatience), 0);
  EXPECT_EQ(Reload(), "reload: added b");
  EXPECT_TRUE(backend.Accept());
}

// First, do no harm: all around a session things come and go, and it passes on every byte.
TEST_F(ReloadTest, ALiveSessionIsNotDisturbed) {
  peers::RawBackend backend(Path("b.sock"));
  Write(RelayEntry("media0", Path("vm.sock"), Path("b.sock")) + FrontendEntry("other", Path("other.sock")));
  Start();
  peers::RawFrontend frontend(Path("vm.sock"));
  ASSERT_TRUE(backend.Accept());
  peers::ShakeHands(frontend, backend);

  std::atomic<bool> end{false};
  std::atomic<int> passed{0};
  std::thread traffic([&] {
    while (!end && !HasFailure()) {
      peers::Pass(frontend.main(), backend.main(), "12000000 09000000 08000000 00000000 01000000");
      peers::Pass(backend.main(), frontend.main(), "12000000 05000000 08000000 00000000 00000000");
      peers::Pass(backend.backend(), frontend.backend(), kUnmap);
      peers::Pass(frontend.backend(), backend.backend(), "0a000000 05000000 08000000 00000000 00000000");
      ++passed;
    }
  });
  for (int i = 0; i < 30 && !HasFailure(); ++i) {
    Write(RelayEntry("media0", Path("vm.sock"), Path("b.sock"), i % 2 == 0 ? ", guard: protect" : "") +
          RelayEntry("coming" + std::to_string(i), Path("c.vm" + std::to_string(i)), Path("c.sock")));
    EXPECT_THAT(Reload(), testing::Not(HasSubstr("refused")));
    const std::string id = "rpc" + std::to_string(i);
    EXPECT_THAT(admin_->Attach(RelayRequest(id, Path(id + ".vm"), Path(id + ".sock"))), IsOk());
    EXPECT_THAT(admin_->AttachFrontend("f" + id, Path("f" + id)), IsOk());
    EXPECT_THAT(admin_->Detach(id), IsOk());
    EXPECT_THAT(admin_->Detach("f" + id), IsOk());
    v1::DetachBackendResponse response;
    EXPECT_THAT(admin_->Detach("media0", false, &response), IsOk());
    EXPECT_EQ(response.backend().state(), v1::Backend::DETACHING);
    EXPECT_FALSE(std::filesystem::exists(Path("vm.sock")));
    const int before = passed;
    EXPECT_GE(MillisecondsUntil([&] { return passed > before + 2; }, kPatience), 0) << "it stands still";
  }
  end = true;
  traffic.join();
  EXPECT_TRUE(ShowsState("media0", v1::Backend::DETACHING));
  EXPECT_TRUE(view_->Backend("media0").observed());
  frontend.main().Close();
  EXPECT_GE(MillisecondsUntil([&] { return view_->Backend("media0").name().empty(); }, kPatience), 0);
}

}  // namespace
}  // namespace shmemd::component
