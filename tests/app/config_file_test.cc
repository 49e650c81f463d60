// shmemd.yaml: what is wrong is told with file, line and key.
#include "server/app/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/peers/temporary_directory.h"

namespace shmemd::app {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr char kFull[] = R"(run_dir: /run/shmemd/vm7
api: {socket_mode: "0666", admin_socket: /run/admin.sock, listen: "127.0.0.1:18045"}
metrics:
  listen: off
limits: {max_mappings: 7, max_window: 64MiB}
timeouts: {connect: 1s, query: 250ms}
reconnect: {min: 10ms, max: 1s}
log: {level: debug}
backends:
  - {id: gpu0, mode: frontend, backend: {connect: /run/gpu0.sock}}
  - id: cam0
    mode: probe
    backend:
      connect: /run/cam0.sock
)";

class ConfigFileTest : public testing::Test {
 protected:
  absl::Status Load(const std::string& text) {
    std::ofstream(path_) << text;
    config_ = {};
    return LoadConfigFile(path_, config_);
  }
  // What an error says after the file's name.
  std::string ErrorOf(const std::string& text) {
    const absl::Status status = Load(text);
    EXPECT_FALSE(status.ok()) << text;
    const std::string message(status.message());
    EXPECT_THAT(message, StartsWith(path_ + ":")) << text;
    EXPECT_THAT(message, Not(HasSubstr("\n"))) << text;
    return message.substr(std::min(message.size(), path_.size() + 1));
  }

  peers::TemporaryDirectory directory_;
  std::string path_ = directory_.path() + "/shmemd.yaml";
  Config config_;
};

TEST_F(ConfigFileTest, AFullFile) {
  ASSERT_EQ(Load(kFull), absl::OkStatus());
  EXPECT_EQ(config_.ApiSocketPath(), "/run/shmemd/vm7/api.sock");
  EXPECT_EQ(config_.AdminSocketPath(), "/run/admin.sock");
  EXPECT_EQ(config_.api_socket_mode, "0666");
  EXPECT_EQ(config_.api_listen, "127.0.0.1:18045");
  EXPECT_EQ(config_.metrics_listen, "off");
  EXPECT_EQ(config_.max_mappings, 7);
  EXPECT_EQ(config_.max_window_bytes, 64 << 20);
  EXPECT_EQ(config_.connect_timeout_ms, 1000);
  EXPECT_EQ(config_.query_timeout_ms, 250);
  EXPECT_EQ(config_.reconnect_min_ms, 10);
  EXPECT_EQ(config_.log_level, "debug");
  ASSERT_EQ(config_.backends.size(), 2u);
  EXPECT_EQ(config_.backends[0].mode, state::Mode::kFrontend);
  EXPECT_EQ(config_.backends[0].backend_socket, "/run/gpu0.sock");
  EXPECT_EQ(config_.backends[1].id, "cam0");
  EXPECT_EQ(config_.backends[1].mode, state::Mode::kProbe);
}

TEST_F(ConfigFileTest, NothingMeansTheDefaults) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "backends:\n", "backends: []\n"}) {
    EXPECT_EQ(Load(text), absl::OkStatus()) << text;
    EXPECT_EQ(config_.ApiSocketPath(), "/run/shmemd/api.sock");
    EXPECT_TRUE(config_.backends.empty());
  }
}

TEST_F(ConfigFileTest, AWrongKeyIsNamedWithThoseThereAre) {
  EXPECT_EQ(ErrorOf("api:\n  sokcet: /x\n"),
            "2: api.sokcet: no such key; in api there is socket, socket_mode, socket_owner, socket_group, "
            "socket_allow_uids, socket_allow_gids, admin_socket, admin_socket_mode, admin_socket_owner, "
            "admin_socket_group, admin_socket_allow_uids, admin_socket_allow_gids, listen, listen_tls, "
            "listen_identities, admin_listen, admin_listen_identities");
  EXPECT_EQ(ErrorOf("\n\nmetric: {listen: off}\n"),
            "3: metric: no such key; there is run_dir, api, tls, metrics, state_dir, limits, timeouts, "
            "reconnect, log, "
            "relay, backends");
  EXPECT_EQ(
      ErrorOf("backends:\n  - id: a\n    mdoe: probe\n"),
      "3: backends[0].mdoe: no such key; in a back-end there is id, mode, frontend, backend, query, guard, "
      "on_backend_missing, socket_mode, socket_owner, socket_group");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: {listen: /x}}\n"),
            "2: backends[0].backend.listen: only in mode relay");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: relay, frontend: {lsiten: /x}}\n"),
            "2: backends[0].frontend.lsiten: no such key; there is connect and listen");
  EXPECT_EQ(ErrorOf("relay: {gaurd: warn}\n"),
            "1: relay.gaurd: no such key; in relay there is query, guard, on_backend_missing, socket_mode, "
            "socket_owner, socket_group");
}

TEST_F(ConfigFileTest, AWrongValueIsNamedWithWhatWasExpected) {
  EXPECT_EQ(ErrorOf("limits:\n  max_mappings: many\n"),
            "2: limits.max_mappings: expected a number from 1 to 1000000, got 'many'");
  EXPECT_EQ(ErrorOf("api: {socket: relative.sock}\n"),
            "1: api.socket: expected an absolute path, got 'relative.sock'");
  EXPECT_THAT(ErrorOf("timeouts: {connect: 5}\n"), StartsWith("1: timeouts.connect: expected a duration"));
}

TEST_F(ConfigFileTest, AListStandsAsAListOrWithCommas) {
  for (const char* text :
       {"api: {socket_allow_uids: [root, 107]}\n", "api: {socket_allow_uids: 'root, 107'}\n",
        "api:\n  socket_allow_uids:\n    - root\n    - 107\n"}) {
    ASSERT_EQ(Load(text), absl::OkStatus()) << text;
    EXPECT_EQ(config_.api_socket_allow_uids, (std::vector<std::string>{"root", "107"})) << text;
  }
  EXPECT_EQ(ErrorOf("api: {socket_allow_uids: []}\n"),
            "1: api.socket_allow_uids: expected an entry or more; leave the key out for none");
  EXPECT_EQ(ErrorOf("api:\n  listen_identities: ['spiffe://x/a,b']\n"),
            "2: api.listen_identities: an entry has no comma, got 'spiffe://x/a,b'");
  EXPECT_EQ(ErrorOf("api: {socket_allow_uids: [[a]]}\n"), "1: api.socket_allow_uids: expected plain entries");
  EXPECT_EQ(ErrorOf("api: {listen_identities: {a: b}}\n"), "1: api.listen_identities: expected one value");
}

// Whoever reads the file again is told that a list has changed, however it was written.
TEST_F(ConfigFileTest, AListThatChangedIsASettingThatChanged) {
  ASSERT_EQ(Load("api: {socket_allow_uids: [root, 107]}\n"), absl::OkStatus());
  const Config before = config_;
  ASSERT_EQ(Load("api: {socket_allow_uids: 'root, 107'}\n"), absl::OkStatus());
  EXPECT_THAT(ChangedSettings(before, config_), testing::IsEmpty());
  ASSERT_EQ(Load("api: {socket_allow_uids: [root, 108]}\n"), absl::OkStatus());
  EXPECT_THAT(ChangedSettings(before, config_), testing::ElementsAre("api.socket_allow_uids"));
}

TEST_F(ConfigFileTest, AWrongTypeIsNamed) {
  EXPECT_EQ(ErrorOf("api: 5\n"), "1: api: expected keys and values");
  EXPECT_EQ(ErrorOf("run_dir: [a, b]\n"), "1: run_dir: expected one value");
  EXPECT_EQ(ErrorOf("\nlimits: {max_mappings: {a: 1}}\n"), "2: limits.max_mappings: expected one value");
  EXPECT_EQ(ErrorOf("backends: gpu0\n"), "1: backends: expected a list");
  EXPECT_EQ(ErrorOf("backends:\n  - gpu0\n"), "2: backends[0]: expected keys and values");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: /x}\n"),
            "2: backends[0].backend: expected {connect: PATH} or {listen: PATH}");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: [a], mode: probe}\n"), "2: backends[0].id: expected one value");
  EXPECT_EQ(ErrorOf("- a\n- b\n"), "1: expected keys and values");
  EXPECT_EQ(ErrorOf("just text\n"), "1: expected keys and values");
}

TEST_F(ConfigFileTest, AKeyGivenTwiceIsNamed) {
  EXPECT_EQ(ErrorOf("run_dir: /a\nrun_dir: /b\n"), "2: run_dir: given twice");
  EXPECT_EQ(ErrorOf("api:\n  socket: /a\n  listen: off\n  socket: /b\n"), "4: api.socket: given twice");
  EXPECT_EQ(ErrorOf("backends: []\nbackends: []\n"), "2: backends: given twice");
  EXPECT_EQ(ErrorOf("backends:\n  - id: a\n    mode: probe\n    id: b\n"), "4: backends[0].id: given twice");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: {connect: /a, connect: /b}}\n"),
            "2: backends[0].backend.connect: given twice");
}

TEST_F(ConfigFileTest, ABackendThatLacksSomethingIsNamed) {
  EXPECT_EQ(ErrorOf("backends:\n  - {mode: probe, backend: {connect: /x}}\n"), "2: backends[0].id: missing");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, backend: {connect: /x}}\n"), "2: backends[0].mode: missing");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe}\n"), "2: backends[0].backend.connect: missing");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: {}}\n"),
            "2: backends[0].backend.connect: missing");
}

TEST_F(ConfigFileTest, ABackendThatCannotBeIsNamed) {
  const std::string good = "backends:\n  - {id: a, mode: probe, backend: {connect: /x}}\n";
  EXPECT_EQ(ErrorOf(good + "  - {id: b, mode: relya, backend: {connect: /y}}\n"),
            "3: backends[1].mode: expected relay, frontend or probe, got 'relya'");
  EXPECT_THAT(ErrorOf(good + "  - {id: B_, mode: probe, backend: {connect: /y}}\n"),
              MatchesRegex("3: backends\\[1\\]: expected an id .*, got 'B_'"));
  EXPECT_THAT(ErrorOf(good + "  - {id: b, mode: probe, backend: {connect: y}}\n"),
              MatchesRegex("3: backends\\[1\\]: expected the absolute path .*, got 'y'"));
  EXPECT_EQ(ErrorOf(good + "  - {id: a, mode: probe, backend: {connect: /y}}\n"),
            "3: backends[1]: back-end 'a' is named twice");
}

constexpr char kRelays[] = R"(backends:
  - id: media0
    mode: relay
    frontend: {listen: /run/vhost-user/media0.sock}
    backend: {connect: /run/backends/media0.sock}
  - id: gpu0
    mode: relay
    frontend: {connect: /run/vm/gpu0.sock}
    backend: {listen: /run/backends/gpu0.sock}
    query: inject
    guard: protect
    on_backend_missing: refuse
    socket_mode: "0600"
    socket_owner: root
    socket_group: 107
)";

TEST_F(ConfigFileTest, ARelayHasTwoSocketsAndDefaults) {
  ASSERT_EQ(Load(kRelays), absl::OkStatus());
  ASSERT_EQ(config_.backends.size(), 2u);
  state::BackendSpec media0;
  media0.id = "media0";
  media0.mode = state::Mode::kRelay;
  media0.frontend_socket = "/run/vhost-user/media0.sock";
  media0.backend_socket = "/run/backends/media0.sock";
  EXPECT_EQ(config_.backends[0], media0);
  state::BackendSpec gpu0;
  gpu0.id = "gpu0";
  gpu0.mode = state::Mode::kRelay;
  gpu0.frontend_socket = "/run/vm/gpu0.sock";
  gpu0.frontend_role = state::SocketRole::kConnect;
  gpu0.backend_socket = "/run/backends/gpu0.sock";
  gpu0.backend_role = state::SocketRole::kListen;
  gpu0.query = state::Query::kInject;
  gpu0.guard = state::Guard::kProtect;
  gpu0.on_backend_missing = state::OnBackendMissing::kRefuse;
  gpu0.socket_mode = 0600;
  gpu0.socket_owner = 0;
  gpu0.socket_group = 107;
  EXPECT_EQ(config_.backends[1], gpu0);
}

TEST_F(ConfigFileTest, WhatARelayDoesNotSayIsASettingWhereverThatStands) {
  const std::string settings =
      "relay: {query: inject, guard: protect, on_backend_missing: refuse, socket_mode: \"0666\", "
      "socket_owner: 1, socket_group: 2}\n";
  for (const std::string& text : {settings + kRelays, kRelays + settings}) {
    ASSERT_EQ(Load(text), absl::OkStatus());
    const state::BackendSpec& media0 = config_.backends.at(0);
    EXPECT_EQ(media0.query, state::Query::kInject);
    EXPECT_EQ(media0.guard, state::Guard::kProtect);
    EXPECT_EQ(media0.on_backend_missing, state::OnBackendMissing::kRefuse);
    EXPECT_EQ(media0.socket_mode, 0666u);
    EXPECT_EQ(media0.socket_owner, 1);
    EXPECT_EQ(media0.socket_group, 2);
    EXPECT_EQ(config_.backends.at(1).socket_mode, 0600u) << "its own";
  }
}

TEST_F(ConfigFileTest, OverridesAreStrongerThanSettingsAndWeakerThanEntries) {
  std::ofstream(path_) << "relay: {guard: protect, query: snoop}\n" << kRelays;
  const ConfigOverrides overrides = [](Config& config) {
    config.relay_defaults.guard = state::Guard::kOff;
    return absl::OkStatus();
  };
  ASSERT_EQ(LoadConfigFile(path_, config_, overrides), absl::OkStatus());
  EXPECT_EQ(config_.backends.at(0).guard, state::Guard::kOff);
  EXPECT_EQ(config_.backends.at(1).guard, state::Guard::kProtect);
}

TEST_F(ConfigFileTest, ARelayThatCannotBeIsNamed) {
  const std::string begin = "backends:\n  - id: a\n    mode: relay\n";
  EXPECT_EQ(ErrorOf(begin + "    backend: {connect: /b}\n"),
            "2: backends[0].frontend: missing: expected {listen: PATH} or {connect: PATH}");
  EXPECT_EQ(ErrorOf(begin + "    frontend: {listen: /f}\n    backend: {}\n"),
            "2: backends[0].backend: missing: expected {listen: PATH} or {connect: PATH}");
  EXPECT_EQ(ErrorOf(begin + "    frontend: {listen: /f, connect: /g}\n    backend: {connect: /b}\n"),
            "4: backends[0].frontend.connect: expected either connect or listen, got both");
  const std::string whole = begin + "    frontend: {listen: /f}\n    backend: {connect: /b}\n";
  EXPECT_EQ(ErrorOf(whole + "    query: ask\n"), "6: backends[0].query: expected snoop or inject, got 'ask'");
  EXPECT_EQ(ErrorOf(whole + "    guard: on\n"),
            "6: backends[0].guard: expected off, warn or protect, got 'on'");
  EXPECT_EQ(ErrorOf(whole + "    on_backend_missing: die\n"),
            "6: backends[0].on_backend_missing: expected wait or refuse, got 'die'");
  EXPECT_EQ(ErrorOf(whole + "    socket_mode: rw\n"),
            "6: backends[0].socket_mode: expected an octal file mode such as 0660, got 'rw'");
  EXPECT_EQ(ErrorOf(whole + "    socket_owner: no-such-user\n"),
            "6: backends[0].socket_owner: there is no 'no-such-user' on this host");
  EXPECT_EQ(ErrorOf(whole + "    socket_group: no-such-group\n"),
            "6: backends[0].socket_group: there is no 'no-such-group' on this host");
  EXPECT_EQ(ErrorOf("\nrelay: {socket_group: no-such-group}\n"),
            "2: relay.socket_group: there is no 'no-such-group' on this host");
}

TEST_F(ConfigFileTest, WhatOnlyARelayHasIsRefusedElsewhere) {
  const std::string begin = "backends:\n  - id: a\n    mode: frontend\n    backend: {connect: /b}\n";
  EXPECT_EQ(ErrorOf(begin + "    frontend: {listen: /f}\n"), "5: backends[0].frontend: only in mode relay");
  EXPECT_EQ(ErrorOf(begin + "    guard: warn\n"), "5: backends[0].guard: only in mode relay");
  EXPECT_EQ(ErrorOf(begin + "    socket_mode: \"0660\"\n"), "5: backends[0].socket_mode: only in mode relay");
}

TEST_F(ConfigFileTest, YamlThatIsNoneIsTold) {
  for (const char* text : {"api: {socket: /x\n", "api: [}\n", "\tapi: 1\n", "a: b: c\n", "api: \"open\n",
                           "*nobody\n", "api: !!binary {\n", "%BAD\n---\na\n"}) {
    EXPECT_THAT(ErrorOf(text), MatchesRegex("[0-9]+: .+")) << text;
  }
}

// Cut anywhere, a file gives a configuration or one clear error, never more than that.
TEST_F(ConfigFileTest, TornAnywhere) {
  const std::string full = kFull;
  int errors = 0;
  for (size_t size = 0; size <= full.size(); ++size) {
    const absl::Status status = Load(full.substr(0, size));
    if (status.ok()) continue;
    ++errors;
    EXPECT_THAT(std::string(status.message()), MatchesRegex(".*shmemd.yaml:[0-9]+: .+")) << size;
  }
  EXPECT_GT(errors, 100);
}

TEST_F(ConfigFileTest, AFileThatCannotBeReadIsNamed) {
  Config config;
  const std::string missing = directory_.path() + "/missing.yaml";
  EXPECT_EQ(LoadConfigFile(missing, config).message(), "--config " + missing + ": No such file or directory");
  EXPECT_EQ(LoadConfigFile(directory_.path(), config).message(),
            "--config " + directory_.path() + ": Is a directory");
}

TEST_F(ConfigFileTest, TheExampleOfTheReferenceIsAConfiguration) {
  std::ostringstream read;
  read << std::ifstream(std::string(SHMEMD_DOCS_DIR) + "/configuration.md").rdbuf();
  const std::string page = read.str();
  const size_t begin = page.find("```yaml\n");
  ASSERT_NE(begin, std::string::npos);
  const size_t from = begin + 8;
  EXPECT_EQ(Load(page.substr(from, page.find("```", from) - from)), absl::OkStatus());
  EXPECT_FALSE(config_.backends.empty());
}

}  // namespace
}  // namespace shmemd::app
