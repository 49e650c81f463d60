// SHMEM_MAP and SHMEM_UNMAP as they leave a demo back-end, and what it makes of the answers.
#include <gmock/gmock.h>

#include "tests/peers/backend_thread.h"
#include "tests/peers/peers_fixture.h"

namespace shmemd::peers {
namespace {

using MapTest = PeersTest;
using testing::Contains;

constexpr char kMapped[] = "09000000 05000000 08000000 00000000 00000000";
constexpr char kUnmapped[] = "0a000000 05000000 08000000 00000000 00000000";

Script WithSteps(std::vector<Step> steps) {
  Script script = DefaultScript();
  script.steps = std::move(steps);
  return script;
}

Step GoldenMap() {
  Step step = Step::Map(2, 0x10000, 0x8000);
  step.request.fd_offset = 0x2000;
  return step;
}

TEST_F(MapTest, MapAndUnmapAreTheGoldenBytes) {
  BackendThread backend(WithSteps({GoldenMap(), Step::Unmap(2, 0x10000, 0x8000)}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  size_t fd_count = 0;
  EXPECT_EQ(
      frontend.ReceiveRequest(52, &fd_count),
      "09000000 09000000 28000000 02000000 00000000 00200000 00000000 00000100 00000000 00800000 00000000 "
      "01000000 00000000");
  EXPECT_EQ(fd_count, 1U);
  frontend.Answer(kMapped);
  EXPECT_EQ(
      frontend.ReceiveRequest(52, &fd_count),
      "0a000000 09000000 28000000 02000000 00000000 00000000 00000000 00000100 00000000 00800000 00000000 "
      "00000000 00000000");
  EXPECT_EQ(fd_count, 0U);
  frontend.Answer(kUnmapped);
  EXPECT_TRUE(backend.transcript().WaitFor("script done"));
  EXPECT_THAT(backend.transcript().lines(),
              Contains("map shmid 2 shm_offset 0x10000 len 0x8000 rw fd_offset 0x2000 -> 0"));
  EXPECT_THAT(backend.transcript().lines(), Contains("unmap shmid 2 shm_offset 0x10000 len 0x8000 -> 0"));
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(MapTest, ReadOnlyWithoutReplyAckAsksForNoAnswer) {
  Step map = GoldenMap();
  map.request.flags = 0;
  BackendThread backend(WithSteps({map}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake("21044000 00000000");
  frontend.AskConfig();
  EXPECT_EQ(
      frontend.ReceiveRequest(),
      "09000000 01000000 28000000 02000000 00000000 00200000 00000000 00000100 00000000 00800000 00000000 "
      "00000000 00000000");
  EXPECT_TRUE(backend.transcript().WaitFor("ro fd_offset 0x2000 -> not asked"));
}

TEST_F(MapTest, SendsNothingBeforeTheConfigWasAsked) {
  BackendThread backend(WithSteps({GoldenMap()}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.Send("01000000 01000000 00000000");
  frontend.Receive(20);
  EXPECT_THAT(backend.transcript().lines(), testing::Not(Contains(testing::HasSubstr("map shmid"))));
  frontend.AskConfig();
  frontend.TakeMaps(1);
  EXPECT_TRUE(backend.transcript().WaitFor("script done"));
}

TEST_F(MapTest, CanStartWithTheChannelOrWithTheVrings) {
  Script script = WithSteps({GoldenMap()});
  script.start = Script::Start::kChannel;
  {
    BackendThread backend(script);
    RawFrontend frontend(backend.socket_path());
    frontend.Handshake();
    frontend.TakeMaps(1);
  }
  script.start = Script::Start::kVringEnable;
  BackendThread backend(script);
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.Send("12000000 09000000 08000000 00000000 01000000");
  EXPECT_EQ(frontend.Receive(20), "12000000 05000000 08000000 00000000 00000000");
  frontend.TakeMaps(1);
}

TEST_F(MapTest, AnswersTheMainChannelWhileItWaitsForAnAck) {
  BackendThread backend(WithSteps({GoldenMap()}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.ReceiveRequest();
  frontend.Send("25000000 09000000 28000000" + std::string(80, '0'));
  EXPECT_EQ(frontend.Receive(20), "25000000 05000000 08000000 00000000 00000000");
  frontend.Answer(kMapped);
  EXPECT_TRUE(backend.transcript().WaitFor("-> 0"));
}

struct AnswerCase {
  const char* name;
  Expectation expect;
  const char* answer;
  const char* line;
  size_t unexpected_count;
};

class AnswerTest : public PeersTest, public testing::WithParamInterface<AnswerCase> {};

TEST_P(AnswerTest, IsLoggedAndCompared) {
  BackendThread backend(WithSteps({Step::Map(0, 0, 0x1000, GetParam().expect)}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.ReceiveRequest();
  frontend.Answer(GetParam().answer);
  EXPECT_TRUE(backend.transcript().WaitFor("script done"));
  EXPECT_THAT(backend.transcript().lines(), Contains(testing::HasSubstr(GetParam().line)));
  EXPECT_EQ(backend.transcript().unexpected_count(), GetParam().unexpected_count);
}

using Kind = Expectation::Kind;
INSTANTIATE_TEST_SUITE_P(
    All, AnswerTest,
    testing::Values(
        AnswerCase{"OkAsExpected", {Kind::kOk, 0}, kMapped, " rw -> 0", 0},
        AnswerCase{"FailureAsExpected",
                   {Kind::kFail, 0},
                   "09000000 05000000 08000000 01000000 00000000",
                   " rw -> 1",
                   0},
        AnswerCase{"ErrnoAsExpected",
                   {Kind::kErrno, 17},
                   "09000000 05000000 08000000 efffffff ffffffff",
                   " rw -> -17 EEXIST",
                   0},
        AnswerCase{"OtherErrno",
                   {Kind::kErrno, 17},
                   "09000000 05000000 08000000 eaffffff ffffffff",
                   " rw -> -22 EINVAL, expected -17 EEXIST UNEXPECTED",
                   1},
        AnswerCase{
            "OkInsteadOfFailure", {Kind::kFail, 0}, kMapped, " rw -> 0, expected a failure UNEXPECTED", 1},
        AnswerCase{"WrongId",
                   {Kind::kAny, 0},
                   kUnmapped,
                   "answer id 10 flags 0x5 with 8 bytes and 0 fds, expected the ack of id 9 UNEXPECTED",
                   1},
        AnswerCase{"WrongFlags",
                   {Kind::kAny, 0},
                   "09000000 01000000 08000000 00000000 00000000",
                   "answer id 9 flags 0x1 with 8 bytes",
                   1},
        AnswerCase{"WrongSize", {Kind::kAny, 0}, "09000000 05000000 04000000 00000000", "with 4 bytes", 1}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(MapTest, AFrontEndThatDoesNotAnswerIsUnexpected) {
  Script script = WithSteps({Step::Map(0, 0, 0x1000)});
  script.ack_timeout = std::chrono::milliseconds(20);
  BackendThread backend(script);
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  EXPECT_TRUE(backend.transcript().WaitFor("rw -> no answer, expected 0 UNEXPECTED"));
  frontend.ReceiveRequest();
  frontend.Answer(kMapped);
  EXPECT_TRUE(backend.transcript().WaitFor("answer id 9 to no request UNEXPECTED"));
}

TEST_F(MapTest, AFrontEndThatGoesInTheMiddleIsNot) {
  BackendThread backend(WithSteps({Step::Map(0, 0, 0x1000)}));
  {
    RawFrontend frontend(backend.socket_path());
    frontend.Handshake();
    frontend.AskConfig();
    frontend.ReceiveRequest();
  }
  EXPECT_TRUE(backend.transcript().WaitFor("rw -> no answer, the front-end is gone"));
  EXPECT_TRUE(backend.transcript().WaitFor("front-end disconnected"));
  EXPECT_EQ(backend.transcript().unexpected_count(), 0U);
}

TEST_F(MapTest, ATestCanPostStepsWhileTheScriptRepeats) {
  BackendThread backend(DefaultScript());
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  frontend.TakeMaps(7);
  std::thread answering([&] { frontend.TakeMaps(1); });
  EXPECT_EQ(backend.Do(Step::Map(0, 0x3000000, 0x1000)), StepAnswer(0));
  answering.join();
}

TEST_F(MapTest, PostedStepsRunAfterTheScript) {
  BackendThread backend(WithSteps({}));
  RawFrontend frontend(backend.socket_path());
  frontend.Handshake();
  frontend.AskConfig();
  std::thread answering([&] {
    frontend.ReceiveRequest();
    frontend.Answer("09000000 05000000 08000000 eaffffff ffffffff");
  });
  EXPECT_EQ(backend.Do(Step::Map(0, 0, 0x1000)), StepAnswer(-22));
  answering.join();
}

TEST_F(MapTest, EveryConnectionRunsTheScriptAnew) {
  BackendThread backend(WithSteps({GoldenMap()}));
  for (int i = 0; i < 3; ++i) {
    RawFrontend frontend(backend.socket_path());
    frontend.Handshake();
    frontend.AskConfig();
    frontend.TakeMaps(1);
  }
}

}  // namespace
}  // namespace shmemd::peers
