// Scripts in YAML: what they mean, and what is said about wrong ones.
#include "tests/peers/script_reader.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "tests/peers/misbehaviour.h"

namespace shmemd::peers {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMiB = uint64_t{1} << 20;

Script Read(std::string_view text) {
  auto script = ReadScript(text, "demo.yaml");
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *script : Script();
}

std::string ErrorOf(std::string_view text) {
  const auto script = ReadScript(text, "demo.yaml");
  return std::string(script.status().message());
}

TEST(ScriptReaderTest, WhatIsLeftOutIsTheDefault) {
  EXPECT_EQ(Read("{}"), DefaultScript());
  Script expected = DefaultScript();
  expected.backing = BackingKind::kFile;
  EXPECT_EQ(Read("backing: file"), expected);
}

TEST(ScriptReaderTest, RegionsAreAMapOrAListAndComeWithoutSteps) {
  const Regions expected = {{0, 64 * kMiB}, {2, 0x1000}};
  EXPECT_EQ(Read("regions: {0: 64MiB, 2: 0x1000}").regions, expected);
  EXPECT_EQ(Read("regions: [64MiB, 0, 4KiB]").regions, expected);
  EXPECT_TRUE(Read("regions: [64MiB]").steps.empty());
}

TEST(ScriptReaderTest, FeaturesAndReply) {
  const Script script = Read(R"(
features: {shmem_bit: none, reply_ack: false, backend_req: false, send_fd: false, protocol_features: false, more: 0x10}
config_reply: {form: span, answer: half-then-close, num_regions: 9, padding: 0xdeadbeef, id: 43, flags: 1,
               header_size: 0xffffffff, payload_bytes: 4, fds: 2, piece_bytes: 64, delay: 500ms, second_answer: [1MiB]}
start: vring_enable
ack_timeout: 2s
silent: true
)");
  Features features{std::nullopt, false, false, false, false, 0x10};
  EXPECT_EQ(script.features, features);
  ConfigReply reply;
  reply.form = ConfigReply::Form::kSpan;
  reply.answer = ConfigReply::Answer::kHalfThenClose;
  reply.num_regions = 9;
  reply.padding = 0xdeadbeef;
  reply.request_id = 43;
  reply.flags = 1;
  reply.header_size = 0xffffffff;
  reply.payload_bytes = 4;
  reply.fd_count = 2;
  reply.piece_bytes = 64;
  reply.delay = std::chrono::milliseconds(500);
  reply.second_answer = Regions{{0, kMiB}};
  EXPECT_EQ(script.config_reply, reply);
  EXPECT_EQ(script.start, Script::Start::kVringEnable);
  EXPECT_EQ(script.ack_timeout, std::chrono::seconds(2));
  EXPECT_TRUE(script.is_silent);
}

TEST(ScriptReaderTest, Steps) {
  const Script script = Read(R"(
steps:
  - map: {shmid: 5, shm_offset: 0x1000, len: 64KiB, fd_offset: 4KiB, access: ro, backing: sealed-memfd,
          file_size: 1MiB, expect: EEXIST}
  - unmap: {shmid: 5, shm_offset: 0x1000, len: 64KiB, fds: 1, expect: any}
  - wait: 100ms
  - repeat: [{wait: 1s}, {close: channel}]
    times: 3
  - repeat: [{raw: "0900 00ff"}]
    times: forever
  - truncate: {shmid: 1, shm_offset: 0x1000, size: 0}
  - close: main
)");
  ASSERT_EQ(script.steps.size(), 7U);
  Step map = Step::Map(5, 0x1000, 0x10000, {Expectation::Kind::kErrno, EEXIST});
  map.request.fd_offset = 0x1000;
  map.request.flags = 0;
  map.request.backing = BackingKind::kSealedMemfd;
  map.request.file_size_bytes = kMiB;
  EXPECT_EQ(script.steps[0], map);
  Step unmap = Step::Unmap(5, 0x1000, 0x10000, {Expectation::Kind::kAny, 0});
  unmap.request.fd_count = 1;
  EXPECT_EQ(script.steps[1], unmap);
  EXPECT_EQ(script.steps[2], Step::Wait(std::chrono::milliseconds(100)));
  EXPECT_EQ(script.steps[3].times, 3U);
  EXPECT_EQ(script.steps[3].steps[0], Step::Wait(std::chrono::seconds(1)));
  EXPECT_EQ(script.steps[3].steps[1].kind, Step::Kind::kCloseChannel);
  EXPECT_EQ(script.steps[4].times, std::nullopt);
  EXPECT_EQ(script.steps[4].steps[0].raw, (Bytes{9, 0, 0, 0xff}));
  EXPECT_EQ(script.steps[5].kind, Step::Kind::kTruncate);
  EXPECT_EQ(script.steps[6].kind, Step::Kind::kDisconnect);
}

TEST(ScriptReaderTest, MisbehavioursApplyToTheWholeScriptWhereverTheyStand) {
  EXPECT_EQ(Read("misbehave: overlap"), MisbehavingScript("overlap"));
  Script expected = MisbehavingScript("padding");
  FindMisbehaviour("overlap")->apply(expected);
  EXPECT_EQ(Read("misbehave: [padding, overlap]"), expected);
  const Script script = Read("misbehave: len-zero\nregions: {0: 1MiB}\nsteps: [{wait: 1ms}]");
  ASSERT_EQ(script.steps.size(), 2U);
  EXPECT_EQ(script.steps[0], Step::Wait(std::chrono::milliseconds(1)));
}

TEST(ScriptReaderTest, TheExampleOfTheHelpIsAScript) {
  const Script script = Read(ScriptExample());
  EXPECT_EQ(script.regions, DefaultScript().regions);
  EXPECT_EQ(script.steps.size(), 5U);
}

TEST(ScriptReaderTest, ErrorsNameFileLineKeyAndWhatWasExpected) {
  EXPECT_EQ(
      ErrorOf("backing: memfd\nregoins: {}"),
      "demo.yaml:2: unknown key 'regoins', expected one of regions, features, config_reply, backing, start, "
      "ack_timeout, silent, misbehave, steps");
  EXPECT_EQ(ErrorOf("start: later"),
            "demo.yaml:1: 'start' expects auto, config, channel or vring_enable, got 'later'");
  EXPECT_EQ(ErrorOf("steps:\n  - map: {shmid: 256}"), "demo.yaml:2: 'shmid' expects 0 to 255, got '256'");
  EXPECT_EQ(ErrorOf("steps:\n  - wait: 100"),
            "demo.yaml:2: 'wait' expects a duration like 100ms or 2s, got '100'");
  EXPECT_EQ(ErrorOf("misbehave: badly"),
            "demo.yaml:1: 'misbehave' expects a name, or a list of names, that --help knows, got 'badly'");
  EXPECT_THAT(ErrorOf("[1, 2]"), HasSubstr("demo.yaml:1: expected a map with the keys regions"));
  EXPECT_THAT(ErrorOf("steps: [{map: 5}]"), HasSubstr("demo.yaml:1: expected a map with the keys shmid"));
  EXPECT_THAT(ErrorOf("regions: {0: 1MiB"), HasSubstr("demo.yaml:"));
}

class RefusedTest : public testing::TestWithParam<const char*> {};

TEST_P(RefusedTest, IsAnError) { EXPECT_THAT(ErrorOf(GetParam()), HasSubstr("demo.yaml:1: ")); }

INSTANTIATE_TEST_SUITE_P(
    All, RefusedTest,
    testing::Values("regions: {256: 1MiB}", "regions: {0: -1}", "regions: {0: 20000000TiB}", "regions: 5",
                    "regions: {0: 1MB}", "features: {shmem_bit: 64}", "features: {reply_ack: maybe}",
                    "config_reply: {fds: 65}", "config_reply: {payload_bytes: 1MiB}", "steps: 5",
                    "steps: [{raw: 0g}]", "steps: [{raw: '123'}]", "steps: [{close: door}]",
                    "steps: [{map: {expect: EWHAT}}]", "steps: [{map: {len: 18446744073709551616}}]",
                    "steps: [{repeat: [{hop: 1}]}]", "steps: [{map: {access: wo}}]", "backing: [memfd]"));

TEST(ScriptReaderTest, AMissingFileIsNamed) {
  EXPECT_EQ(ReadScriptFile("/nonexistent/demo.yaml").status().message(),
            "/nonexistent/demo.yaml: cannot be read");
}

}  // namespace
}  // namespace shmemd::peers
