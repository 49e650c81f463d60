// Settings: what each takes, and what docs/configuration.md says of them.
#include "server/app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/app/setting_value.h"
#include "tests/golden/reference_file.h"

namespace shmemd::app {
namespace {

using testing::HasSubstr;

const Setting& Named(std::string_view key) {
  const auto found = std::find_if(Settings().begin(), Settings().end(),
                                  [&](const Setting& setting) { return setting.key == key; });
  EXPECT_NE(found, Settings().end()) << "no setting " << key;
  return *found;
}

struct Values {
  std::vector<std::string> good;
  std::vector<std::string> bad;
  std::string expected;  // part of what the error says
};

// By what the setting calls its value.
const std::map<std::string, Values>& ValuesByKind() {
  static const auto& values = *new std::map<std::string, Values>{
      {"DIR", {{"/run/x"}, {"", "run/x", "./x", "~/x"}, "an absolute path"}},
      {"PATH", {{"/run/x.sock"}, {"", "x.sock", "off"}, "an absolute path"}},
      {"MODE",
       {{"0660", "600", "0777"}, {"", "660x", "0888", "rw", "7", "07777", "-600"}, "octal file mode"}},
      {"USER", {{"root", "0"}, {""}, "a name or number"}},
      {"GROUP", {{"root", "0"}, {""}, "a name or number"}},
      {"FILE", {{"/etc/shmemd/tls.key"}, {"", "tls.key", "off"}, "an absolute path"}},
      {"USERS", {{"root", "0", "root, 107,65534"}, {"", ",", "root,", " "}, "users, names or numbers"}},
      {"GROUPS", {{"root", "0", "root, 107,65534"}, {"", ",", "root,", " "}, "groups, names or numbers"}},
      {"NAMES", {{"*", "a.example", "a.example, spiffe://vms/*"}, {"", ",", "a,,b"}, "names with commas"}},
      {"WHEN", {{"auto", "on"}, {"", "off", "Auto"}, "auto or on"}},
      {"QUERY", {{"snoop", "inject"}, {"", "Snoop", "ask"}, "snoop or inject"}},
      {"GUARD", {{"off", "warn", "protect"}, {"", "on", "WARN", "refuse"}, "off, warn or protect"}},
      {"PAGE", {{"on", "full", "off"}, {"", "On", "yes", "none"}, "on, full or off"}},
      {"WHAT", {{"wait", "refuse"}, {"", "die"}, "wait or refuse"}},
      {"ADDRESS:PORT",
       {{"off", "127.0.0.1:0", "[::1]:18045", ":18044", "localhost:65535"},
        {"", "18044", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "on"},
        "ADDRESS:PORT or off"}},
      {"N",
       {{"1", "1024", "1000000"},
        {"", "0", "-1", "1000001", "1.5", "many", "99999999999999999999"},
        "1000000"}},
      {"BYTES",
       {{"4096", "4096B", "64KiB", "64 MiB", "1GiB", "1TiB"},
        {"", "MiB", "1.5GiB", "-1", "1MB", "1mib", "9223372036854775808", "9000000TiB"},
        "a size such as"}},
      {"DURATION",
       {{"1ms", "250ms", "5s", "2m", "60m"},
        {"", "5", "s", "0s", "-1s", "1h", "61m", "1.5s", "99999999999999999m"},
        "a duration"}},
      {"LEVEL",
       {{"debug", "info", "warning", "error", "off"}, {"", "INFO", "trace", "warn", "1"}, "debug, info"}},
  };
  return values;
}

TEST(Settings, EachTakesGoodValuesAndSaysWhatItExpectedOfBadOnes) {
  for (const Setting& setting : Settings()) {
    ASSERT_EQ(ValuesByKind().count(std::string(setting.value)), 1u)
        << setting.key << " takes " << setting.value;
    const Values& values = ValuesByKind().at(std::string(setting.value));
    for (const std::string& good : values.good) {
      Config config;
      EXPECT_EQ(setting.set(config, good), absl::OkStatus()) << setting.key << " = " << good;
    }
    for (const std::string& bad : values.bad) {
      Config config;
      const absl::Status status = setting.set(config, bad);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << setting.key << " = '" << bad << "'";
      EXPECT_THAT(std::string(status.message()), HasSubstr(values.expected)) << setting.key;
      EXPECT_THAT(std::string(status.message()), HasSubstr("got '" + bad + "'")) << setting.key;
    }
  }
}

TEST(Settings, KeysAndFlagsAreUnique) {
  std::set<std::string> flags;
  for (const Setting& setting : Settings()) {
    EXPECT_TRUE(flags.insert(setting.flag()).second) << setting.flag();
    EXPECT_FALSE(setting.help.empty()) << setting.key;
  }
  EXPECT_EQ(Named("api.socket_mode").flag(), "--api-socket-mode");
  EXPECT_EQ(Named("relay.query").flag(), "--query");
  EXPECT_EQ(Named("relay.guard").flag(), "--guard");
}

// Setting what the reference calls the default changes nothing.
TEST(Settings, TheStatedDefaultsAreTheDefaults) {
  const Config untouched;
  for (const auto& [key, field] : std::map<std::string, int64_t Config::*>{
           {"limits.max_mappings", &Config::max_mappings},
           {"limits.max_events", &Config::max_events},
           {"limits.max_watchers", &Config::max_watchers},
           {"limits.max_window", &Config::max_window_bytes},
           {"timeouts.connect", &Config::connect_timeout_ms},
           {"timeouts.query", &Config::query_timeout_ms},
           {"timeouts.shutdown", &Config::shutdown_timeout_ms},
           {"timeouts.handshake", &Config::handshake_timeout_ms},
           {"timeouts.idle", &Config::idle_timeout_ms},
           {"tls.refresh", &Config::tls_refresh_ms},
           {"limits.max_connections", &Config::max_connections},
           {"limits.max_streams", &Config::max_streams},
           {"limits.max_message", &Config::max_message_bytes},
           {"limits.max_open_calls", &Config::max_open_calls},
           {"limits.max_calls_per_second", &Config::max_calls_per_second},
           {"reconnect.min", &Config::reconnect_min_ms},
           {"reconnect.max", &Config::reconnect_max_ms}}) {
    Config config;
    config.*field = 0;
    ASSERT_EQ(Named(key).set(config, std::string(Named(key).fallback)), absl::OkStatus()) << key;
    EXPECT_EQ(config.*field, untouched.*field) << key;
  }
  for (const auto& [key, field] :
       std::map<std::string, std::string Config::*>{{"run_dir", &Config::run_dir},
                                                    {"api.socket_mode", &Config::api_socket_mode},
                                                    {"api.admin_socket_mode", &Config::api_admin_socket_mode},
                                                    {"api.listen", &Config::api_listen},
                                                    {"api.listen_tls", &Config::api_listen_tls},
                                                    {"api.admin_listen", &Config::api_admin_listen},
                                                    {"metrics.listen", &Config::metrics_listen},
                                                    {"log.level", &Config::log_level}}) {
    EXPECT_EQ(untouched.*field, Named(key).fallback) << key;
  }
  for (const char* key : {"relay.query", "relay.guard", "relay.on_backend_missing", "relay.socket_mode"}) {
    Config config;
    config.relay_defaults.query = state::Query::kInject;
    config.relay_defaults.guard = state::Guard::kOff;
    config.relay_defaults.on_backend_missing = state::OnBackendMissing::kRefuse;
    config.relay_defaults.socket_mode = 0;
    const state::BackendSpec before = config.relay_defaults;
    ASSERT_EQ(Named(key).set(config, std::string(Named(key).fallback)), absl::OkStatus()) << key;
    EXPECT_NE(config.relay_defaults, before) << key;
  }
  Config stated;
  for (const char* key : {"relay.query", "relay.guard", "relay.on_backend_missing", "relay.socket_mode"}) {
    ASSERT_EQ(Named(key).set(stated, std::string(Named(key).fallback)), absl::OkStatus()) << key;
  }
  EXPECT_EQ(stated.relay_defaults, untouched.relay_defaults);
  EXPECT_EQ(untouched.ApiSocketPath(), "/run/shmemd/api.sock");
  EXPECT_EQ(untouched.AdminSocketPath(), "/run/shmemd/admin.sock");
}

TEST(Settings, UnitsMeanWhatTheySay) {
  EXPECT_EQ(ParseDurationMs("250ms").value(), 250);
  EXPECT_EQ(ParseDurationMs("5s").value(), 5000);
  EXPECT_EQ(ParseDurationMs("2m").value(), 120'000);
  EXPECT_EQ(ParseBytes("64 MiB").value(), int64_t{64} << 20);
  EXPECT_EQ(ParseBytes("1TiB").value(), int64_t{1} << 40);
}

TEST(Backends, AreNamedOnceWithAnIdAndAnAbsolutePath) {
  Config config;
  EXPECT_EQ(AddBackendByFlag(config, state::Mode::kFrontend, "gpu0=/run/gpu0=x.sock"), absl::OkStatus());
  ASSERT_EQ(config.backends.size(), 1u);
  EXPECT_EQ(config.backends[0].id, "gpu0");
  EXPECT_EQ(config.backends[0].backend_socket, "/run/gpu0=x.sock");
  EXPECT_EQ(config.backends[0].mode, state::Mode::kFrontend);
  const std::string long_id(64, 'a');
  for (const auto& [text, expected] :
       std::map<std::string, std::string>{{"gpu1", "expected ID=CONNECT, got 'gpu1'"},
                                          {"=/run/x.sock", "expected an id"},
                                          {"GPU1=/run/x.sock", "got 'GPU1'"},
                                          {"-gpu=/run/x.sock", "got '-gpu'"},
                                          {"a/b=/run/x.sock", "got 'a/b'"},
                                          {long_id + "=/run/x.sock", long_id},
                                          {"gpu1=", "absolute path of a socket"},
                                          {"gpu1=x.sock", "got 'x.sock'"},
                                          {"gpu0=/run/x.sock", "back-end 'gpu0' is named twice"}}) {
    const absl::Status status = AddBackendByFlag(config, state::Mode::kProbe, text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(expected)) << text;
  }
  EXPECT_EQ(config.backends.size(), 1u);
}

TEST(Backends, ARelayByFlagListensForTheVmmAndTakesTheSettings) {
  Config config;
  ASSERT_EQ(Named("relay.guard").set(config, "protect"), absl::OkStatus());
  ASSERT_EQ(AddBackendByFlag(config, state::Mode::kRelay, "media0=/run/f=.sock,/run/b.sock"),
            absl::OkStatus());
  state::BackendSpec expected;
  expected.id = "media0";
  expected.mode = state::Mode::kRelay;
  expected.frontend_socket = "/run/f=.sock";
  expected.backend_socket = "/run/b.sock";
  expected.guard = state::Guard::kProtect;
  EXPECT_EQ(config.backends.at(0), expected);
  const std::string too_long = "/" + std::string(108, 'x');
  for (const auto& [text, wanted] : std::map<std::string, std::string>{
           {"a", "expected ID=LISTEN,CONNECT, got 'a'"},
           {"a=/x", "expected ID=LISTEN,CONNECT, got '/x'"},
           {"a=/x,/y,/z", "expected ID=LISTEN,CONNECT, got '/x,/y,/z'"},
           {"a=,/y", "absolute path of a socket, got ''"},
           {"a=/x,y", "absolute path of a socket, got 'y'"},
           {"a=/x,/x", "front-end and back-end are the same socket: /x"},
           {"a=/run/../x,/x", "front-end and back-end are the same socket"},
           {"a=" + too_long + ",/y", "a socket path of at most 107 bytes"},
           {"a=/x," + too_long, "a socket path of at most 107 bytes"},
           {"media0=/x,/y", "named twice"},
           {"a=/run/f=.sock,/y", "back-ends 'media0' and 'a' have the same socket: /run/f=.sock"},
           {"a=/run/b.sock,/y", "have the same socket: /run/b.sock"},
           {"a=/x,/run/./f=.sock", "have the same socket: /run/./f=.sock"},
       }) {
    const absl::Status status = AddBackendByFlag(config, state::Mode::kRelay, text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(wanted)) << text;
  }
  EXPECT_THAT(std::string(AddBackendByFlag(config, state::Mode::kProbe, "cam0=/run/b.sock").message()),
              HasSubstr("back-ends 'media0' and 'cam0' have the same socket"));
  EXPECT_EQ(config.backends.size(), 1u);
}

TEST(Validate, NoBackendIsWhereWeServe) {
  for (const char* text :
       {"a=/run/shmemd/api.sock,/y", "a=/x,/run/shmemd/admin.sock", "a=/run/shmemd/../shmemd/api.sock,/y"}) {
    Config config;
    ASSERT_EQ(AddBackendByFlag(config, state::Mode::kRelay, text), absl::OkStatus());
    EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("and back-end 'a' have the same path"))
        << text;
  }
  Config config;
  ASSERT_EQ(AddBackendByFlag(config, state::Mode::kFrontend, "a=/run/vm7/api.sock"), absl::OkStatus());
  EXPECT_EQ(Validate(config), absl::OkStatus());
  config.run_dir = "/run/vm7";
  EXPECT_EQ(Validate(config).message(), "api.socket and back-end 'a' have the same path: /run/vm7/api.sock");
}

TEST(Validate, SettingsThatDoNotGoTogether) {
  Config config;
  EXPECT_EQ(Validate(config), absl::OkStatus());
  config.reconnect_min_ms = 6000;
  EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("reconnect.min (6000 ms) is longer than"));
  config = {};
  config.api_socket = "/run/shmemd/admin.sock";
  EXPECT_THAT(std::string(Validate(config).message()), HasSubstr("the same path: /run/shmemd/admin.sock"));
}

TEST(Settings, TheReferenceIsTrue) {
  std::string table = "| Key | Flag | Value | Default | Meaning |\n|---|---|---|---|---|\n";
  for (const Setting& setting : Settings()) {
    table.append("| `").append(setting.key).append("` | `").append(setting.flag()).append("` | ");
    table.append(setting.value).append(" | ").append(setting.fallback).append(" | ");
    table.append(setting.help).append(" |\n");
  }
  docs::ExpectInReference("configuration.md", table);
}

}  // namespace
}  // namespace shmemd::app
