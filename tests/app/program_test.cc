// shmemd as a person starts it: what it says when it cannot, and what it leaves behind when it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/app/shmemd_process.h"
#include "tests/peers/backend_thread.h"
#include "tests/peers/script.h"

namespace shmemd::app {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Optional;
using testing::StartsWith;

class ProgramTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name)) << text;
    return Path(name);
  }
  // All files below the directory but the locks, which stay.
  std::vector<std::string> Left() const {
    std::vector<std::string> left;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_.path())) {
      if (!entry.is_directory() && entry.path().extension() != ".lock") left.push_back(entry.path());
    }
    return left;
  }

  // Starts it with all sockets below the directory, unless `arguments` say otherwise: exactly one line that
  // has `named`, and nothing left behind.
  void ExpectRefused(const std::vector<std::string>& arguments, int code, const std::string& named) const {
    std::vector<std::string> all = {"--run-dir", Path("run"), "--metrics-listen", "127.0.0.1:0"};
    const std::vector<std::string> before = Left();
    for (const std::string& argument : arguments) {
      const auto same = std::find(all.begin(), all.end(), argument);  // a flag is given once
      if (same != all.end() && argument.starts_with("--")) all.erase(same, same + 2);
      all.push_back(argument);
    }
    const Ended ended = RunShmemd(all);
    EXPECT_THAT(ended.code, Optional(code)) << named;
    EXPECT_THAT(ended.log, ElementsAre(AllOf(StartsWith("shmemd: "), HasSubstr(named))));
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(Left(), before);
  }

  peers::TemporaryDirectory directory_;
};

TEST_F(ProgramTest, HelpAndVersion) {
  const Ended version = RunShmemd({"--version"});
  EXPECT_THAT(version.code, Optional(0));
  EXPECT_THAT(version.out, testing::MatchesRegex("shmemd [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_THAT(version.log, IsEmpty());
  const Ended help = RunShmemd({"--help"});
  EXPECT_THAT(help.code, Optional(0));
  EXPECT_THAT(help.out, AllOf(HasSubstr("--frontend ID=CONNECT"), HasSubstr("--relay ID=LISTEN,CONNECT"),
                              HasSubstr("--guard GUARD"), HasSubstr("--api-socket-mode"),
                              HasSubstr("--check-config"), HasSubstr("Examples:")));
  EXPECT_THAT(help.log, IsEmpty());
}

TEST_F(ProgramTest, MistakesOnTheCommandLine) {
  ExpectRefused({"--nonsense"}, 2, "--nonsense");
  ExpectRefused({"stray"}, 2, "stray");
  ExpectRefused({"--frontend", "gpu0"}, 2, "--frontend: expected ID=CONNECT, got 'gpu0'");
  ExpectRefused({"--frontend", "a=/x", "--probe", "a=/y"}, 2, "--probe: back-end 'a' is named twice");
  ExpectRefused({"--relay", "a=/x"}, 2, "--relay: expected ID=LISTEN,CONNECT, got '/x'");
  ExpectRefused({"--relay", "a=/x,/y", "--frontend", "b=/x"}, 2,
                "--frontend: back-ends 'a' and 'b' have the same socket: /x");
  ExpectRefused({"--relay", "a=" + Path("run/api.sock") + ",/y"}, 2,
                "api.socket and back-end 'a' have the same path: " + Path("run/api.sock"));
  ExpectRefused({"--guard", "on"}, 2, "--guard: expected off, warn or protect, got 'on'");
  ExpectRefused({"--query", "ask"}, 2, "--query: expected snoop or inject, got 'ask'");
  ExpectRefused({"--relay-socket-group", "no-such-group"}, 2,
                "--relay-socket-group: there is no 'no-such-group'");
  ExpectRefused({"--timeouts-query", "soon"}, 2, "--timeouts-query: expected a duration");
  ExpectRefused({"--metrics-listen", "18044"}, 2,
                "--metrics-listen: expected ADDRESS:PORT or off, got '18044'");
  ExpectRefused({"--reconnect-min", "10s", "--reconnect-max", "1s"}, 2, "reconnect.min");
}

TEST_F(ProgramTest, MistakesInTheFile) {
  const std::string wrong_key = Write("wrong.yaml", "api:\n  sokcet: /x\n");
  ExpectRefused({"--config", wrong_key}, 2, wrong_key + ":2: api.sokcet: no such key");
  ExpectRefused({"--config", Path("missing.yaml")}, 2, Path("missing.yaml") + ": No such file or directory");
  ExpectRefused({"--config", directory_.path()}, 2, directory_.path() + ": Is a directory");
}

TEST_F(ProgramTest, SocketsThatCannotBe) {
  const std::string too_long = Path(std::string(120, 'x')) + ".sock";
  ExpectRefused({"--api-socket", too_long}, 2, too_long);
  ExpectRefused({"--frontend", "gpu0=" + too_long}, 2, too_long);
  const std::string file = Write("api.sock", "precious");
  ExpectRefused({"--api-socket", file}, 1, "listen on " + file + ": expected nothing or a socket there");
  EXPECT_EQ(FileText(file), "precious");
  ExpectRefused({"--api-admin-socket", file}, 1, file);
  ExpectRefused({"--run-dir", file}, 1, file);
  ExpectRefused({"--api-socket", "/proc/shmemd/api.sock"}, 1, "/proc/shmemd");
  ExpectRefused({"--api-socket-group", "no-such-group"}, 1, "api.socket_group: there is no 'no-such-group'");
}

TEST_F(ProgramTest, PortsThatCannotBe) {
  ShmemdProcess first(Path("first"), {"--api-listen", "127.0.0.1:0"});
  ASSERT_TRUE(first.process().transcript().WaitFor("inspector on 127.0.0.1:"));
  std::string api_address;
  for (const std::string& line : first.process().transcript().lines()) {
    const size_t at = line.find("127.0.0.1:");
    if (at != std::string::npos && line.find("inspector on") != std::string::npos)
      api_address = line.substr(at);
  }
  ExpectRefused({"--metrics-listen", first.metrics_address()}, 1,
                "metrics.listen " + first.metrics_address());
  ExpectRefused({"--metrics-listen", first.metrics_address()}, 1, "in use");
  ExpectRefused({"--api-listen", api_address}, 1, "api.listen " + api_address + ": Address already in use");
  ExpectRefused({"--api-listen", "0.0.0.0:0"}, 1, "api.listen: 0.0.0.0:0 is no loopback address");
  ExpectRefused({"--api-listen", "192.0.2.1:18045"}, 1, "192.0.2.1:18045");
  ExpectRefused({"--metrics-listen", "192.0.2.1:18044"}, 1, "metrics.listen 192.0.2.1:18044");
  ExpectRefused({"--metrics-listen", "no.such.host.invalid:18044"}, 1, "no.such.host.invalid:18044");
  EXPECT_EQ(metrics::HttpGet(first.metrics_address(), "/readyz").code, 200) << "the first one goes on";
}

TEST_F(ProgramTest, ASecondInstanceLeavesTheFirstAlone) {
  ShmemdProcess first(Path("run"));
  ExpectRefused({}, 1, "listen on " + Path("run/api.sock") + ": another process holds");
  EXPECT_TRUE(std::filesystem::is_socket(first.api_socket()));
  EXPECT_EQ(metrics::HttpGet(first.metrics_address(), "/readyz").code, 200);
  ShmemdProcess elsewhere(Path("run2"));
  EXPECT_EQ(metrics::HttpGet(elsewhere.metrics_address(), "/readyz").code, 200);
}

TEST_F(ProgramTest, CheckConfigSaysWhatItWouldDoAndDoesNothing) {
  const std::string file = Write("shmemd.yaml",
                                 "metrics: {listen: 'off'}\nlimits: {max_mappings: 5}\nbackends:\n"
                                 "  - {id: gpu0, mode: frontend, backend: {connect: /run/gpu0.sock}}\n");
  const Ended ended = RunShmemd(
      {"--config", file, "--run-dir", Path("run"), "--probe", "cam0=/run/cam0.sock", "--check-config"});
  EXPECT_THAT(ended.code, Optional(0));
  EXPECT_THAT(ended.log, IsEmpty());
  EXPECT_THAT(ended.out, AllOf(HasSubstr("api.socket       " + Path("run/api.sock") + " (0660)\n"),
                               HasSubstr("metrics.listen   off\n"), HasSubstr("5 mappings a back-end"),
                               HasSubstr("gpu0: frontend, connects to /run/gpu0.sock\n"),
                               HasSubstr("cam0: probe, connects to /run/cam0.sock\n")));
  EXPECT_FALSE(std::filesystem::exists(Path("run")));
  ExpectRefused({"--check-config", "--log-level", "loud"}, 2, "--log-level");
}

// In the same words.
TEST_F(ProgramTest, CheckConfigRefusesWhatTheStartWould) {
  for (const auto& [flag, value, named] :
       {std::tuple("--api-listen", "0.0.0.0:0", "api.listen: 0.0.0.0:0 is no loopback address"),
        {"--api-listen", "localhost.example:1", "api.listen: expected ADDRESS:PORT with a numeric address"},
        {"--metrics-listen", "[::1]:0", "metrics.listen [::1]:0: the HTTP library is built without IPv6"},
        {"--api-socket-group", "no-such-group", "api.socket_group: there is no 'no-such-group' on this host"},
        {"--api-admin-socket-owner", "no-such-user",
         "api.admin_socket_owner: there is no 'no-such-user' on this host"}}) {
    ExpectRefused({flag, value}, 1, named);
    ExpectRefused({flag, value, "--check-config"}, 1, named);
  }
}

TEST_F(ProgramTest, FlagsBeatTheFile) {
  const std::string file =
      Write("shmemd.yaml", "run_dir: /nowhere\nlimits: {max_mappings: 5}\nlog: {level: debug}\n");
  const Ended ended =
      RunShmemd({"--config", file, "--limits-max-mappings", "6", "--run-dir", Path("run"), "--check-config"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("6 mappings a back-end"), HasSubstr(Path("run/admin.sock")),
                               HasSubstr("log.level        debug\n")));
}

TEST_F(ProgramTest, CheckConfigSaysWhatRelaysWouldDo) {
  const std::string file = Write("shmemd.yaml",
                                 "relay: {guard: off, query: snoop}\nbackends:\n"
                                 "  - {id: gpu0, mode: relay, frontend: {connect: /run/f.sock}, backend: "
                                 "{listen: /run/b.sock}, query: inject, socket_group: 107}\n");
  const Ended ended =
      RunShmemd({"--config", file, "--relay", "vm0=/run/vm0.sock,/run/back.sock", "--guard", "protect",
                 "--relay-socket-mode", "0666", "--on-backend-missing", "refuse", "--check-config"});
  EXPECT_THAT(ended.code, Optional(0));
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("relay            query snoop, guard protect, on_backend_missing refuse, "
                              "sockets 0666\n"),
                    HasSubstr("gpu0: relay, connects to the VMM at /run/f.sock, listens for the back-end at "
                              "/run/b.sock (0666, group 107), query inject, guard protect, "
                              "on_backend_missing refuse\n"),
                    HasSubstr("vm0: relay, listens for the VMM at /run/vm0.sock (0666), connects to the "
                              "back-end at /run/back.sock, query snoop, guard protect, "
                              "on_backend_missing refuse\n")));
}

TEST_F(ProgramTest, ARelayServesItsSocketAsItsOwnAndTakesItAway) {
  const std::string vm = Path("vm0.sock");
  ShmemdProcess shmemd(Path("run"),
                       {"--relay", "vm0=" + vm + "," + Path("missing.sock"), "--relay-socket-mode", "0606"});
  struct stat status {};
  ASSERT_EQ(lstat(vm.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0606u);
  EXPECT_EQ(metrics::HttpGet(shmemd.metrics_address(), "/livez").code, 200);
  EXPECT_EQ(metrics::HttpGet(shmemd.metrics_address(), "/readyz").code, 200) << "the VMM may wait for it";
  EXPECT_EQ(metrics::HttpGet(shmemd.metrics_address(), "/readyz?backends").code, 503);
  EXPECT_THAT(
      shmemd.Metrics(),
      AllOf(HasSubstr("vhost_shmem_backend_up{backend=\"vm0\"} 0\n"),
            HasSubstr("vhost_relay_messages_total{backend=\"vm0\",channel=\"main\",sender=\"frontend\"} "
                      "0\n")));
  EXPECT_TRUE(shmemd.process().transcript().WaitFor("vm0: relay, listens for the VMM at " + vm,
                                                    std::chrono::seconds(30)));
  EXPECT_THAT(shmemd.process().transcript().lines(),
              testing::Contains(HasSubstr("file descriptors: at most")));
  EXPECT_THAT(shmemd.End(SIGTERM), Optional(0));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, ARelaysSocketThatCannotBeOpenedIsNamed) {
  const std::string file = Write("vm0.sock", "precious");
  ExpectRefused({"--relay", "vm0=" + file + ",/nowhere/b.sock"}, 1, file);
  EXPECT_EQ(FileText(file), "precious");
  ExpectRefused({"--relay", "vm0=" + Path("no/such/vm0.sock") + ",/nowhere/b.sock"}, 1,
                Path("no/such/vm0.sock"));
}

// The second loop costs a thread or two, so it is there only where something is relayed.
TEST_F(ProgramTest, WithoutARelayThereIsNoThreadForIt) {
  const auto threads = [](const ShmemdProcess& shmemd) {
    const std::string text = shmemd.Metrics();
    const size_t at = text.find("\nprocess_threads ");
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + 17));
  };
  ShmemdProcess without(Path("run"), {"--frontend", "vm0=" + Path("missing.sock")});
  ShmemdProcess with(Path("run2"), {"--relay", "vm0=" + Path("vm0.sock") + "," + Path("missing.sock")});
  EXPECT_GT(threads(without), 0);
  EXPECT_GT(threads(with), threads(without));
}

TEST_F(ProgramTest, SigtermAndSigintEndItWithNothingLeft) {
  for (const int signal : {SIGTERM, SIGINT}) {
    peers::BackendThread backend(peers::DefaultScript());
    ShmemdProcess shmemd(Path("run"), {"--frontend", "gpu0=" + backend.socket_path()});
    EXPECT_THAT(Left(), testing::UnorderedElementsAre(shmemd.api_socket(), shmemd.admin_socket()));
    EXPECT_THAT(shmemd.End(signal), Optional(0)) << signal;
    EXPECT_THAT(Left(), IsEmpty());
    EXPECT_THAT(shmemd.process().transcript().lines(), Each(Not(HasSubstr(" error "))));
  }
}

TEST_F(ProgramTest, AfterSigkillTheNextOneServesOnTheSamePaths) {
  ShmemdProcess first(Path("run"));
  EXPECT_THAT(first.End(SIGKILL), Optional(128 + SIGKILL));
  EXPECT_TRUE(std::filesystem::is_socket(first.api_socket())) << "nobody could clean up";
  ShmemdProcess second(Path("run"), {"--metrics-listen", first.metrics_address()});
  EXPECT_EQ(metrics::HttpGet(second.metrics_address(), "/readyz").code, 200);
  EXPECT_THAT(second.End(SIGTERM), Optional(0));
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProgramTest, SocketsHaveTheirModes) {
  const auto mode_of = [](const std::string& path) {
    struct stat status {};
    EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
    return status.st_mode & 0777;
  };
  ShmemdProcess plain(Path("run"));
  EXPECT_EQ(mode_of(Path("run")), 0750u);
  EXPECT_EQ(mode_of(plain.api_socket()), 0660u);
  EXPECT_EQ(mode_of(plain.admin_socket()), 0600u);
  ShmemdProcess open(Path("run2"), {"--api-socket-mode", "0666", "--api-admin-socket-mode", "660"});
  EXPECT_EQ(mode_of(open.api_socket()), 0666u);
  EXPECT_EQ(mode_of(open.admin_socket()), 0660u);
}

TEST_F(ProgramTest, ABackendThatIsMissingIsNoReasonToExit) {
  ShmemdProcess shmemd(Path("run"), {"--frontend", "gpu0=" + Path("missing.sock")});
  EXPECT_EQ(metrics::HttpGet(shmemd.metrics_address(), "/readyz").code, 200);
  EXPECT_EQ(metrics::HttpGet(shmemd.metrics_address(), "/livez").code, 200);
  const metrics::HttpAnswer answer = metrics::HttpGet(shmemd.metrics_address(), "/readyz?backends");
  EXPECT_EQ(answer.code, 503);
  EXPECT_THAT(answer.body, HasSubstr("back-end gpu0 is "));
  EXPECT_THAT(shmemd.Metrics(), HasSubstr("vhost_shmem_backend_up{backend=\"gpu0\"} 0\n"));
}

}  // namespace
}  // namespace shmemd::app
