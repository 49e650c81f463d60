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
            "admin_socket, admin_socket_mode, admin_socket_owner, admin_socket_group, listen");
  EXPECT_EQ(
      ErrorOf("\n\nmetric: {listen: off}\n"),
      "3: metric: no such key; there is run_dir, api, metrics, limits, timeouts, reconnect, log, backends");
  EXPECT_EQ(ErrorOf("backends:\n  - id: a\n    mdoe: probe\n"),
            "3: backends[0].mdoe: no such key; in a back-end there is id, mode, backend");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: {listen: /x}}\n"),
            "2: backends[0].backend.listen: no such key; there is connect");
}

TEST_F(ConfigFileTest, AWrongValueIsNamedWithWhatWasExpected) {
  EXPECT_EQ(ErrorOf("limits:\n  max_mappings: many\n"),
            "2: limits.max_mappings: expected a number from 1 to 1000000, got 'many'");
  EXPECT_EQ(ErrorOf("api: {socket: relative.sock}\n"),
            "1: api.socket: expected an absolute path, got 'relative.sock'");
  EXPECT_THAT(ErrorOf("timeouts: {connect: 5}\n"), StartsWith("1: timeouts.connect: expected a duration"));
}

TEST_F(ConfigFileTest, AWrongTypeIsNamed) {
  EXPECT_EQ(ErrorOf("api: 5\n"), "1: api: expected keys and values");
  EXPECT_EQ(ErrorOf("run_dir: [a, b]\n"), "1: run_dir: expected one value");
  EXPECT_EQ(ErrorOf("\nlimits: {max_mappings: {a: 1}}\n"), "2: limits.max_mappings: expected one value");
  EXPECT_EQ(ErrorOf("backends: gpu0\n"), "1: backends: expected a list");
  EXPECT_EQ(ErrorOf("backends:\n  - gpu0\n"), "2: backends[0]: expected keys and values");
  EXPECT_EQ(ErrorOf("backends:\n  - {id: a, mode: probe, backend: /x}\n"),
            "2: backends[0].backend: expected {connect: PATH}");
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
            "3: backends[1].mode: expected frontend or probe, got 'relya'");
  EXPECT_THAT(ErrorOf(good + "  - {id: B_, mode: probe, backend: {connect: /y}}\n"),
              MatchesRegex("3: backends\\[1\\]: expected an id .*, got 'B_'"));
  EXPECT_THAT(ErrorOf(good + "  - {id: b, mode: probe, backend: {connect: y}}\n"),
              MatchesRegex("3: backends\\[1\\]: expected the absolute path .*, got 'y'"));
  EXPECT_EQ(ErrorOf(good + "  - {id: a, mode: probe, backend: {connect: /y}}\n"),
            "3: backends[1]: back-end 'a' is named twice");
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
