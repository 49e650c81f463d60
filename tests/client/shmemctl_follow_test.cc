// Commands of shmemctl that go on: events -f and --watch, against the API of shmemd.
#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

#include "tests/api/api_fixture.h"
#include "tests/client/cutting_proxy.h"
#include "tests/client/run_program.h"

namespace shmemd::client {
namespace {

namespace v1 = ::vhost::shmem::v1;

using api::kPage;
using ::testing::HasSubstr;
using ::testing::Not;

class ShmemctlFollowTest : public api::ApiTest {
 protected:
  ShmemctlFollowTest() {
    fleet_.SetListener([this] { server_.ReplicaChanged(); });
  }
  ~ShmemctlFollowTest() override { fleet_.SetListener(nullptr); }
  void SetUp() override {
    ApiTest::SetUp();
    fleet_.Attach("a");
    fleet_.Connect("a");
    fleet_.Report("a", 0, 1 << 30);
  }

  ProgramOptions At(const std::string& socket) const {
    return {.environment = {{"SHMEMD_ENDPOINT", "unix:" + socket}, {"LC_ALL", "C.UTF-8"}, {"TERM", "xterm"}}};
  }
  ProgramOptions Here() const { return At(config_.socket.path); }
};

// Revisions of lines of JSON; the last line may be torn.
std::vector<int64_t> RevisionsOf(const std::string& text) {
  std::vector<int64_t> revisions;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    v1::Event event;
    if (google::protobuf::util::JsonStringToMessage(line, &event).ok()) revisions.push_back(event.revision());
  }
  return revisions;
}

TEST_F(ShmemctlFollowTest, EventsThatWereAndEventsThatCome) {
  RunningProgram tail("shmemctl", {"events", "-f"}, Here());
  ASSERT_TRUE(tail.Says("REGION_REPORTED"));
  fleet_.Map("a", 0, 0, kPage);
  ASSERT_TRUE(tail.Says("\"type\":\"MAPPED\""));
  tail.Signal(SIGINT);
  const ProgramRun run = tail.Finish();
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err, "");
  const std::vector<int64_t> revisions = RevisionsOf(run.out);
  ASSERT_EQ(revisions.size(), fleet_.revision());
  for (size_t i = 0; i < revisions.size(); ++i) EXPECT_EQ(revisions[i], static_cast<int64_t>(i) + 1);
}

TEST_F(ShmemctlFollowTest, EventsOnATerminalAreLines) {
  ProgramOptions options = Here();
  options.terminal_columns = 100;
  options.environment.emplace("NO_COLOR", "1");
  RunningProgram tail("shmemctl", {"events", "-f", "--type", "MAPPED,UNMAPPED"}, options);
  fleet_.Map("a", 0, 0, kPage);
  ASSERT_TRUE(tail.Says("  MAPPED                a/0           "));
  tail.Signal(SIGINT);
  const ProgramRun run = tail.Finish();
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, Not(HasSubstr("\x1b[")));
  EXPECT_THAT(run.out, Not(HasSubstr("REGION_REPORTED")));
}

TEST_F(ShmemctlFollowTest, EventsAreToldOnceHoweverOftenTheConnectionBreaks) {
  CuttingProxy proxy(directory_.File("cut.sock"), config_.socket.path, 4000, 12'000);
  RunningProgram tail("shmemctl", {"events", "-f", "-o", "json"}, At(directory_.File("cut.sock")));
  ASSERT_TRUE(tail.Says("REGION_REPORTED"));
  for (uint64_t i = 0; i < 300; ++i) {
    fleet_.Map("a", 0, i * kPage, kPage);
    const std::string told = "\"revision\":\"" + std::to_string(fleet_.revision()) + "\"";
    if (i % 10 == 9 && !tail.Says(told)) return;
  }
  tail.Signal(SIGTERM);
  const ProgramRun run = tail.Finish();
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_GT(proxy.cuts(), 5);
  const std::vector<int64_t> revisions = RevisionsOf(run.out);
  ASSERT_EQ(revisions.size(), fleet_.revision());
  for (size_t i = 0; i < revisions.size(); ++i) EXPECT_EQ(revisions[i], static_cast<int64_t>(i) + 1);
}

TEST_F(ShmemctlFollowTest, WhoDoesNotReadAnyMoreEndsIt) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"events", "-f"}, {"regions", "--watch"}}) {
    RunningProgram tail("shmemctl", command, Here());
    ASSERT_TRUE(tail.Says("\"a"));
    tail.CloseOutput();
    const ProgramRun run = tail.Finish();
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_EQ(run.err, "");
  }
}

TEST_F(ShmemctlFollowTest, AWatchedListIsALineWheneverItChanged) {
  RunningProgram watch("shmemctl", {"mappings", "a", "--watch"}, Here());
  ASSERT_TRUE(watch.Says("{\"mappings\":[]}\n"));
  fleet_.Map("a", 0, 0, kPage);
  ASSERT_TRUE(watch.Says("{\"mappings\":[{\"name\":\"backends/a/regions/0/mappings/0x0\","));
  fleet_.Unmap("a", 0, 0, kPage);
  ASSERT_TRUE(watch.Says("}]}\n{\"mappings\":[]}\n"));
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Finish().exit_code, 0);
}

TEST_F(ShmemctlFollowTest, AWatchedListOnATerminalStaysInItsPlace) {
  ProgramOptions options = Here();
  options.terminal_columns = 100;
  for (const char* command : {"backends", "regions", "mappings", "findings"}) {
    RunningProgram watch("shmemctl", {command, "--watch", "--color", "never"}, options);
    ASSERT_TRUE(watch.Says("\x1b[2J\x1b[H"));
    ASSERT_TRUE(watch.Says("Ctrl-C ends\x1b[K"));
    fleet_.Attach(std::string("next-") + command);
    ASSERT_TRUE(watch.Says("\x1b[J\x1b[?7h\x1b[H"));
    watch.Signal(SIGINT);
    EXPECT_EQ(watch.Finish().exit_code, 0);
  }
}

TEST_F(ShmemctlFollowTest, AWatchOutlivesShmemd) {
  RunningProgram watch("shmemctl", {"backends", "-w"}, Here());
  ASSERT_TRUE(watch.Says("backends/a"));
  server_.Shutdown(std::chrono::seconds(5));
  ASSERT_TRUE(watch.Says("connection lost, trying again"));
  fleet_.Attach("later");
  api::ApiServer again(config_, fleet_.reader(), control_);
  ASSERT_EQ(again.Start(), absl::OkStatus());
  EXPECT_TRUE(watch.Says("backends/later"));
  watch.Signal(SIGINT);
  EXPECT_EQ(watch.Finish().exit_code, 0);
}

TEST_F(ShmemctlFollowTest, WhoIsDownAtTheStartIsNamedOnceAndTriedAgain) {
  api::ApiConfig later = config_;
  later.socket.path = directory_.File("later.sock");
  later.admin_socket.path = directory_.File("later-admin.sock");
  RunningProgram tail("shmemctl",
                      {"events", "-f", "--endpoint", "unix:" + config_.socket.path, "--endpoint",
                       "unix:" + later.socket.path},
                      Here());
  ASSERT_TRUE(tail.Says("there is no such socket"));
  ASSERT_TRUE(tail.Says("REGION_REPORTED"));
  api::ApiServer second(later, fleet_.reader(), control_);
  ASSERT_EQ(second.Start(), absl::OkStatus());
  EXPECT_TRUE(tail.Says("{\"endpoint\":\"unix:" + later.socket.path));
  tail.Signal(SIGINT);
  const ProgramRun run = tail.Finish();
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.err.find("no such socket"), run.err.rfind("no such socket"));
}

TEST_F(ShmemctlFollowTest, WhatCannotBeFollowed) {
  EXPECT_EQ(RunProgram("shmemctl", {"doctor", "-w", "-o", "junit"}, Here()).exit_code, 2);
  EXPECT_EQ(RunProgram("shmemctl", {"regions", "-w", "-q"}, Here()).exit_code, 2);
  EXPECT_EQ(RunProgram("shmemctl", {"events", "-f", "-o", "yaml"}, Here()).exit_code, 2);
  for (const char* flag : {"-w", "--watch"}) {
    const ProgramRun run = RunProgram("shmemctl", {"backends", flag}, At("/nonexistent/api.sock"));
    EXPECT_EQ(run.exit_code, 3);
    EXPECT_THAT(run.err, HasSubstr("there is no such socket"));
  }
  EXPECT_EQ(RunProgram("shmemctl", {"events", "-f"}, At("/nonexistent/api.sock")).exit_code, 3);
  EXPECT_EQ(RunProgram("shmemctl", {"regions", "gone", "--watch"}, Here()).exit_code, 4);
}

}  // namespace
}  // namespace shmemd::client
