// A demo VMM and a demo back-end with nothing between them.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>

#include "tests/peers/backend_thread.h"
#include "tests/peers/frontend_process.h"
#include "tests/peers/frontend_thread.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/peers_fixture.h"
#include "tests/peers/raw_backend.h"
#include "tests/peers/temporary_directory.h"
#include "tests/peers/vmm_misbehaviour.h"
#include "tests/peers/vmm_script_reader.h"

namespace shmemd::peers {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::SizeIs;
using Kind = VmmStep::Kind;
using VmmAndBackendTest = PeersTest;

constexpr char kProgram[] = SHMEMD_BIN_DIR "/shmem-demo-vmm";
constexpr size_t kLastingMaps = 6;  // of the default script

// The default script without the mapping that comes and goes.
Script LastingScript() {
  Script script = DefaultScript();
  script.steps.pop_back();
  return script;
}

TEST_F(VmmAndBackendTest, TheBackendMapsOnlyWhileTheDeviceRuns) {
  BackendThread backend(LastingScript());
  VmmScript script = DefaultVmmScript();
  script.steps.clear();
  FrontendThread vmm(script, backend.socket_path());
  ASSERT_TRUE(vmm.transcript().WaitFor("script done"));
  EXPECT_TRUE(vmm.Do(VmmStep::Wait(std::chrono::milliseconds(20))));
  EXPECT_THAT(vmm.mappings(), IsEmpty());
  EXPECT_TRUE(vmm.Do(Kind::kStart));
  EXPECT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
  EXPECT_TRUE(backend.transcript().WaitFor("script done"));
  EXPECT_EQ(vmm.transcript().unexpected_count(), 0U);
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(VmmAndBackendTest, TheBackendMapsAgainAfterAResetAndNotAfterAStop) {
  for (const MemoryEcho echo : {MemoryEcho::kAuto, MemoryEcho::kTable}) {
    BackendThread backend(LastingScript());
    VmmScript script = DefaultVmmScript();
    script.echo = echo;
    FrontendThread vmm(script, backend.socket_path());
    ASSERT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
    EXPECT_TRUE(backend.transcript().WaitFor("script done"));
    EXPECT_TRUE(vmm.Do(Kind::kStop));
    EXPECT_TRUE(vmm.Do(Kind::kStart));
    EXPECT_THAT(vmm.mappings(), SizeIs(kLastingMaps));
    EXPECT_TRUE(vmm.Do(Kind::kReset));
    EXPECT_THAT(vmm.mappings(), IsEmpty());
    EXPECT_TRUE(vmm.Do(Kind::kStart));
    EXPECT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
    EXPECT_TRUE(backend.transcript().WaitFor("the device was reset"));
    EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
    EXPECT_EQ(vmm.transcript().unexpected_count(), 0U);
  }
}

TEST_F(VmmAndBackendTest, StatusZeroAndResetDeviceAreResets) {
  BackendThread backend(LastingScript());
  FrontendThread vmm(DefaultVmmScript(), backend.socket_path());
  for (const VmmStep& reset : {VmmStep::SetStatus(0), VmmStep::Of(Kind::kResetDevice)}) {
    ASSERT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
    EXPECT_TRUE(vmm.Do(reset));
    EXPECT_THAT(vmm.mappings(), IsEmpty());
    EXPECT_TRUE(vmm.Do(Kind::kStart));
  }
  EXPECT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(VmmAndBackendTest, TheBackendServesTheNextConnection) {
  BackendThread backend(LastingScript());
  FrontendThread vmm(DefaultVmmScript(), backend.socket_path());
  for (const Kind end : {Kind::kClose, Kind::kHalfClose}) {
    ASSERT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
    EXPECT_TRUE(vmm.Do(end));
    EXPECT_TRUE(vmm.Do(Kind::kReconnect));
    EXPECT_THAT(vmm.mappings(), IsEmpty());
    EXPECT_TRUE(vmm.Do(Kind::kStart));
  }
  EXPECT_TRUE(vmm.Do(VmmStep::Mappings(kLastingMaps)));
}

// What a map over a mapping comes to.
TEST_F(VmmAndBackendTest, DialectsRefuseInTheirOwnWays) {
  const std::map<std::string, std::string> kRefusals = {
      {"qemu", "-> 1"}, {"rust-vmm", "-> -17 EEXIST"}, {"crosvm", "-> -17 EEXIST"}};
  for (const auto& [dialect, refusal] : kRefusals) {
    BackendThread backend(MisbehavingScript("overlap"));
    VmmScript script = DefaultVmmScript();
    ASSERT_TRUE(ApplyDialect(dialect, script));
    FrontendThread vmm(script, backend.socket_path());
    EXPECT_TRUE(backend.transcript().WaitFor("map shmid 0 shm_offset 0x3002000 len 0x4000 rw " + refusal))
        << dialect;
    if (dialect == "crosvm") {
      EXPECT_TRUE(vmm.transcript().WaitFor("back-end channel closed: a map failed"));
    }
  }
}

TEST_F(VmmAndBackendTest, AliothNeverAsksAndAnswersWhoDidNotAsk) {
  Script script = LastingScript();
  script.steps = {Step::Map(0, 0, 0x1000)};
  script.steps[0].request.need_reply = false;
  BackendThread backend(script);
  VmmScript vmm_script = DefaultVmmScript();
  ASSERT_TRUE(ApplyDialect("alioth", vmm_script));
  FrontendThread vmm(vmm_script, backend.socket_path());
  EXPECT_TRUE(backend.transcript().WaitFor("answer id 9 to no request"));
  EXPECT_THAT(backend.transcript().lines(), testing::Not(Contains(HasSubstr("GET_SHMEM_CONFIG"))));
}

class VmmMisbehaviourTest : public PeersTest, public testing::WithParamInterface<std::string_view> {};

// Whatever it does, both ends come to rest, and nothing leaks.
TEST_P(VmmMisbehaviourTest, LeavesTheBackendAlive) {
  Script script = LastingScript();
  script.ack_timeout = std::chrono::milliseconds(50);
  BackendThread backend(script);
  {
    VmmScript vmm_script = DefaultVmmScript();
    FindVmmMisbehaviour(GetParam())->apply(vmm_script);
    FrontendThread vmm(vmm_script, backend.socket_path());
    EXPECT_TRUE(vmm.transcript().WaitFor("device started"));
    EXPECT_TRUE(vmm.transcript().WaitFor("script done"));
    EXPECT_TRUE(backend.transcript().WaitFor("map shmid 0 "));
  }
  EXPECT_TRUE(backend.transcript().WaitFor("front-end disconnected"));
  FrontendThread next(DefaultVmmScript(), backend.socket_path());
  EXPECT_TRUE(next.Do(VmmStep::Mappings(kLastingMaps)));
}

INSTANTIATE_TEST_SUITE_P(All, VmmMisbehaviourTest, testing::ValuesIn([] {
                           std::vector<std::string_view> names;
                           for (const auto& each : AllVmmMisbehaviours()) names.push_back(each.name);
                           return names;
                         }()),
                         [](const auto& instance) {
                           std::string name(instance.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_F(VmmAndBackendTest, TheVmmCanListen) {
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/v.sock";
  FrontendThread vmm(DefaultVmmScript(), path, FrontendThread::Role::kListen);
  RawBackend backend(directory.path() + "/unused.sock");
  RawChannel caller = RawChannel::Connect(path);
  EXPECT_EQ(caller.ReceiveMessage(), "01000000 01000000 00000000");
}

TEST(VmmScriptReaderTest, TheExampleIsRead) {
  const auto script = ReadVmmScript(VmmScriptExample(), "example");
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_THAT(script->steps, SizeIs(9));
  EXPECT_EQ(script->steps[1], VmmStep::Mappings(6));
}

TEST(VmmScriptReaderTest, NothingIsTheDefault) {
  EXPECT_EQ(*ReadVmmScript("{}", "empty"), DefaultVmmScript());
}

TEST(VmmScriptReaderTest, TheDialectComesFirstWhereverItStands) {
  const auto script = ReadVmmScript("{protocol_features: 0x10, dialect: crosvm}", "s");
  ASSERT_TRUE(script.ok());
  EXPECT_TRUE(script->is_owner_first);
  EXPECT_EQ(script->protocol_features, 0x10U);
}

TEST(VmmScriptReaderTest, ErrorsNameLineAndKey) {
  const std::map<std::string, std::string> kWrong = {
      {"steps: [begin]", "s:1: 'steps' expects a list of steps"},
      {"dialect: vmware", "s:1: 'dialect' expects qemu, rust-vmm, crosvm or alioth, got 'vmware'"},
      {"\nvrings: 65", "s:2: 'vrings' expects 1 to 64, got '65'"},
      {"vrings: 0", "s: 'vrings' expects 1 to 64"},
      {"misbehave: badly",
       "s:1: 'misbehave' expects a name, or a list of names, that --help knows, got 'badly'"},
      {"steps: [{raw: 0}]", "s:1: 'raw' expects pairs of hexadecimal digits, got '0'"},
  };
  for (const auto& [text, error] : kWrong) {
    EXPECT_EQ(std::string(ReadVmmScript(text, "s").status().message()), error) << text;
  }
}

TEST_F(VmmAndBackendTest, TheProgramKeepsGoingUntilTheBackendLeaves) {
  BackendThread backend(LastingScript());
  FrontendProcess vmm(kProgram, {"--connect", backend.socket_path()});
  EXPECT_TRUE(vmm.transcript().WaitFor("map shmid 5 shm_offset 0x0 len 0x100000 ro -> 0"));
  backend.Stop();
  EXPECT_THAT(vmm.WaitForExit(), Optional(0));
  EXPECT_THAT(vmm.transcript().lines(), Contains(HasSubstr("disconnected: ")));
}

TEST_F(VmmAndBackendTest, TheProgramEndsWhenItIsToldTo) {
  BackendThread backend(LastingScript());
  FrontendProcess vmm(kProgram, {"--connect", backend.socket_path()});
  EXPECT_TRUE(vmm.transcript().WaitFor("device started"));
  vmm.Signal(SIGTERM);
  EXPECT_THAT(vmm.WaitForExit(), Optional(0));
}

TEST_F(VmmAndBackendTest, TheProgramTellsWhatWasUnexpected) {
  Script script = LastingScript();
  script.start = Script::Start::kChannel;  // before the device is started
  script.steps.resize(1);
  BackendThread backend(script);
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/s.yaml";
  std::ofstream(path) << "steps: [{mappings: 1}]";
  FrontendProcess vmm(kProgram, {"--connect", backend.socket_path(), "--script", path});
  EXPECT_THAT(vmm.WaitForExit(), Optional(1));
}

TEST_F(VmmAndBackendTest, TheProgramExplainsItself) {
  FrontendProcess help(kProgram, {"--help"});
  EXPECT_THAT(help.WaitForExit(), Optional(0));
  for (const VmmMisbehaviour& misbehaviour : AllVmmMisbehaviours()) {
    EXPECT_THAT(help.transcript().lines(), Contains(HasSubstr("  " + std::string(misbehaviour.name) + " ")));
  }
  for (const std::string& line : help.transcript().lines()) EXPECT_LE(line.size(), 110U) << line;
  FrontendProcess version(kProgram, {"--version"});
  EXPECT_THAT(version.WaitForExit(), Optional(0));
  EXPECT_THAT(version.transcript().lines(), Contains(HasSubstr("shmem-demo-vmm ")));
}

TEST_F(VmmAndBackendTest, WrongOptionsEndTheProgram) {
  const std::vector<std::vector<std::string>> kWrong = {
      {},
      {"--connect", "/a", "--listen", "/b"},
      {"--connect", "/a", "--misbehave", "badly"},
      {"--connect", "/a", "--script", "/nonexistent/s.yaml"},
      {"--listen", "/nonexistent/b.sock"},
  };
  for (const auto& arguments : kWrong) {
    FrontendProcess vmm(kProgram, arguments);
    EXPECT_THAT(vmm.WaitForExit(), Optional(2)) << testing::PrintToString(arguments);
  }
}

}  // namespace
}  // namespace shmemd::peers
