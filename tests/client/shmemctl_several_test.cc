// Commands that ask several shmemds at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/client/shmemctl_run.h"

namespace shmemd::client {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class Several : public ::testing::Test {
 protected:
  std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& endpoints) const {
    for (const std::string& endpoint : endpoints) arguments.insert(arguments.end(), {"--endpoint", endpoint});
    return arguments;
  }
  ProgramRun Both(std::vector<std::string> arguments) const {
    return RunProgram("shmemctl", With(std::move(arguments), {one_.endpoint(), two_.endpoint()}));
  }

  FakeShmemd one_{SampleData()};
  FakeShmemd two_{RelayData()};
};

TEST_F(Several, OneTableOverAll) {
  for (const char* command : {"backends", "regions", "mappings", "findings", "status", "doctor", "version", "health"}) {
    const ProgramRun run = Both({command});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    EXPECT_THAT(run.out, AnyOf(HasSubstr("ENDPOINT"), StartsWith("shmemd "))) << command;
  }
  const ProgramRun run = Both({"backends"});
  EXPECT_THAT(run.out, AllOf(HasSubstr(" gpu0 "), HasSubstr(" vm0 ")));
}

TEST_F(Several, TheUnreachableAreNamedAndTheOthersPrinted) {
  const ProgramRun run =
      RunProgram("shmemctl", With({"regions"}, {one_.endpoint(), "unix:/nonexistent/a.sock", two_.endpoint()}));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.out, AllOf(HasSubstr("gpu0"), HasSubstr("vm0")));
  EXPECT_THAT(run.err, HasSubstr("cannot reach shmemd at unix:/nonexistent/a.sock (from --endpoint)"));
}

TEST_F(Several, JsonSaysWhoAnsweredWhat) {
  const ProgramRun run =
      RunProgram("shmemctl", With({"backends", "-o", "json"}, {one_.endpoint(), "unix:/nonexistent/a.sock"}));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.out, StartsWith("{\n \"endpoints\": [\n  {\n   \"endpoint\": \"" + one_.endpoint() +
                                  "\",\n   \"backends\": [\n"));
  EXPECT_THAT(run.out, HasSubstr("   \"endpoint\": \"unix:/nonexistent/a.sock\",\n   \"error\": {\n"
                                 "    \"code\": \"UNAVAILABLE\",\n"));
}

TEST_F(Several, OneEndpointKeepsTheJsonOfOne) {
  const ProgramRun run = RunProgram("shmemctl", With({"backends", "-o", "json"}, {one_.endpoint()}));
  EXPECT_THAT(run.out, StartsWith("{\n \"backends\": ["));
}

TEST_F(Several, WhatOnlyOneKnowsIsNoError) {
  const ProgramRun run = Both({"regions", "gpu0"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, IsEmpty());
  const ProgramRun nobody = Both({"regions", "nobody"});
  EXPECT_EQ(nobody.exit_code, 4);
  EXPECT_THAT(nobody.out, IsEmpty());
  EXPECT_THAT(nobody.err, AllOf(HasSubstr(one_.endpoint()), HasSubstr(two_.endpoint())));
}

TEST_F(Several, NamesSayWhereTheyAre) {
  EXPECT_THAT(Both({"backends", "-q"}).out, HasSubstr(one_.endpoint() + " gpu0\n"));
}

TEST_F(Several, WhatDrawsOrChangesAsksOneOnly) {
  const std::vector<std::vector<std::string>> commands = {
      {"map"}, {"features", "gpu0"}, {"lookup", "gpu0/2", "0"}, {"detach", "gpu0"}, {"refresh", "gpu0"},
      {"reset-peaks", "gpu0"}, {"attach", "x", "--probe", "/a"}};
  for (const auto& command : commands) {
    const ProgramRun run = Both(command);
    EXPECT_EQ(run.exit_code, 2) << command.front();
    EXPECT_THAT(run.err, HasSubstr("several endpoints")) << command.front();
    EXPECT_THAT(run.out, IsEmpty());
  }
}

TEST_F(Several, ASilentOneHoldsTheOthersNoLongerThanTheTimeout) {
  CannedData silent;
  silent.silent = true;
  const FakeShmemd mute(silent);
  const FakeShmemd mute_too(silent);
  const auto begin = std::chrono::steady_clock::now();
  const ProgramRun run =
      RunProgram("shmemctl", With({"backends", "--timeout", "1"}, {mute.endpoint(), one_.endpoint(), mute_too.endpoint()}));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.out, HasSubstr("gpu0"));
  EXPECT_THAT(run.err, AllOf(HasSubstr(mute.endpoint()), HasSubstr("did not answer in time")));
}

TEST_F(Several, FindingsOfAnyFailAll) {
  const ProgramRun run = Both({"findings", "--fail-on", "warning", "-q"});
  EXPECT_EQ(run.exit_code, 6);
  EXPECT_EQ(Both({"doctor", "--fail-on", "info"}).exit_code, 6);
}

TEST_F(Several, AFileThatCannotBeUsedIsNamed) {
  const ProgramRun run = RunProgram("shmemctl", {"backends", "--endpoints-from", "/nonexistent/fleet"});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("--endpoints-from: cannot open /nonexistent/fleet"));
}

}  // namespace
}  // namespace shmemd::client
