// shmem-demo-backend as a process: options, exit codes, its socket.
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/peers/backend_process.h"
#include "tests/peers/misbehaviour.h"
#include "tests/peers/peers_fixture.h"
#include "tests/peers/temporary_directory.h"

namespace shmemd::peers {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Optional;

constexpr char kProgram[] = SHMEMD_BIN_DIR "/shmem-demo-backend";

std::string Text(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class ProgramTest : public PeersTest {
 protected:
  ProgramTest() : directory_(std::make_unique<TemporaryDirectory>()) {}

  std::string Path(const std::string& name) const { return directory_->path() + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }

 private:
  std::unique_ptr<TemporaryDirectory> directory_;
};

TEST_F(ProgramTest, KeepsOneMappingChangingUntilItIsTerminated) {
  BackendProcess backend(kProgram, {"--socket", Path("b.sock")});
  ASSERT_TRUE(backend.transcript().WaitFor("listening on " + Path("b.sock")));
  RawFrontend frontend(Path("b.sock"));
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(7);
  for (const char* shmid : {"map shmid 0 ", "map shmid 2 ", "map shmid 5 "}) {
    EXPECT_TRUE(backend.transcript().WaitFor(shmid));
  }
  EXPECT_EQ(frontend.ReceiveRequest().substr(0, 8), "0a000000");
  frontend.Answer("0a000000 05000000 08000000 00000000 00000000");
  frontend.TakeMaps(1);
  backend.Signal(SIGTERM);
  EXPECT_THAT(backend.WaitForExit(), Optional(0));
  EXPECT_FALSE(std::filesystem::exists(Path("b.sock")));
}

TEST_F(ProgramTest, TakesOverTheSocketOfADeadOneAndServesOn) {
  {
    BackendProcess killed(kProgram, {"--socket", Path("b.sock")});
    ASSERT_TRUE(killed.transcript().WaitFor("listening"));
    killed.Signal(SIGKILL);
    EXPECT_THAT(killed.WaitForExit(), Optional(128 + SIGKILL));
  }
  ASSERT_TRUE(std::filesystem::exists(Path("b.sock")));
  BackendProcess backend(kProgram, {"--socket", Path("b.sock")});
  ASSERT_TRUE(backend.transcript().WaitFor("listening"));
  RawFrontend frontend(Path("b.sock"));
  frontend.Handshake();
}

TEST_F(ProgramTest, LeavesTheSocketOfALivingOneAlone) {
  BackendProcess first(kProgram, {"--socket", Path("b.sock")});
  ASSERT_TRUE(first.transcript().WaitFor("listening"));
  BackendProcess second(kProgram, {"--socket", Path("b.sock")});
  EXPECT_THAT(second.WaitForExit(), Optional(2));
  RawFrontend frontend(Path("b.sock"));
  frontend.Handshake();
}

TEST_F(ProgramTest, LeavesAFileThatIsNoSocketAlone) {
  BackendProcess backend(kProgram, {"--socket", Write("b.sock", "precious")});
  EXPECT_THAT(backend.WaitForExit(), Optional(2));
  EXPECT_EQ(std::filesystem::file_size(Path("b.sock")), 8U);
}

TEST_F(ProgramTest, OnceEndsWithTheFrontEndAndTellsWhetherAllWasExpected) {
  const std::string script = Write("s.yaml", "steps: [{map: {shmid: 0, len: 4KiB, expect: fail}}]");
  for (const auto& [answer, exit_code] : {std::pair{"01000000 00000000", 0}, {"00000000 00000000", 1}}) {
    BackendProcess backend(kProgram, {"--socket", Path("b.sock"), "--script", script, "--once"});
    ASSERT_TRUE(backend.transcript().WaitFor("listening"));
    {
      RawFrontend frontend(Path("b.sock"));
      frontend.Handshake();
      frontend.AskConfig();
      frontend.ReceiveRequest();
      frontend.Answer(std::string("09000000 05000000 08000000 ") + answer);
      EXPECT_TRUE(backend.transcript().WaitFor("script done"));
    }
    EXPECT_THAT(backend.WaitForExit(), Optional(exit_code));
  }
}

TEST_F(ProgramTest, WritesItsLinesToALogAndCanBeQuiet) {
  BackendProcess backend(kProgram, {"--socket", Path("b.sock"), "--quiet", "--once", "--log", Path("log")});
  // The log is the only sign of life; the wait for the exit bounds the loop.
  while (Text(Path("log")).find("listening") == std::string::npos) {
    ASSERT_EQ(backend.WaitForExit(std::chrono::milliseconds(1)), std::nullopt);
  }
  std::make_unique<RawFrontend>(Path("b.sock"))->Handshake();
  EXPECT_THAT(backend.WaitForExit(), Optional(0));
  EXPECT_TRUE(backend.transcript().lines().empty());
  EXPECT_THAT(Text(Path("log")), HasSubstr("SET_PROTOCOL_FEATURES 0x400429\n"));
}

TEST_F(ProgramTest, MisbehavesAsTold) {
  BackendProcess backend(kProgram,
                         {"--misbehave", "padding", "--misbehave", "span", "--socket", Path("b.sock")});
  ASSERT_TRUE(backend.transcript().WaitFor("listening"));
  RawFrontend frontend(Path("b.sock"));
  frontend.Handshake();
  EXPECT_EQ(frontend.AskConfig().substr(27, 17), "06000000 efbeadde");
}

TEST_F(ProgramTest, HelpListsEveryMisbehaviour) {
  BackendProcess backend(kProgram, {"--help"});
  EXPECT_THAT(backend.WaitForExit(), Optional(0));
  for (const Misbehaviour& misbehaviour : AllMisbehaviours()) {
    EXPECT_TRUE(backend.transcript().WaitFor("  " + std::string(misbehaviour.name) + " "))
        << misbehaviour.name;
  }
  for (const std::string& line : backend.transcript().lines()) EXPECT_LE(line.size(), 110U) << line;
}

TEST_F(ProgramTest, TellsItsVersion) {
  BackendProcess backend(kProgram, {"--version"});
  EXPECT_THAT(backend.WaitForExit(), Optional(0));
  EXPECT_TRUE(backend.transcript().WaitFor("shmem-demo-backend "));
}

TEST_F(ProgramTest, WrongOptionsAndScriptsEndIt) {
  const std::vector<std::vector<std::string>> kWrong = {
      {},
      {"--socket"},
      {"--socket", Path("b.sock"), "--misbehave", "badly"},
      {"--socket", Path("b.sock"), "--script", Path("missing.yaml")},
      {"--socket", Path("b.sock"), "--script", Write("bad.yaml", "regoins: {}")},
      {"--socket", Path("b.sock"), "--log", "/nonexistent/log"},
      {"--socket", "/nonexistent/b.sock"},
      {"--socket", "/tmp/" + std::string(200, 'x')},
  };
  for (const auto& arguments : kWrong) {
    BackendProcess backend(kProgram, arguments);
    EXPECT_THAT(backend.WaitForExit(), Optional(2)) << testing::PrintToString(arguments);
    EXPECT_TRUE(backend.transcript().lines().empty());
  }
}

}  // namespace
}  // namespace shmemd::peers
