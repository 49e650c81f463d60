// What shmemctl says, and with which exit code, when something is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/client/shmemctl_run.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Errors, WrongUsage) {
  const auto err = [](const std::vector<std::string>& arguments) {
    const ProgramRun run = RunProgram("shmemctl", arguments);
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.out, IsEmpty());
    return run.err;
  };
  EXPECT_THAT(err({"regoins"}), HasSubstr("unknown command regoins; did you mean regions?"));
  EXPECT_THAT(err({"map", "--with", "3"}), HasSubstr("unknown flag --with; did you mean --width?"));
  EXPECT_THAT(err({}), HasSubstr("shmemctl --help"));
  EXPECT_THAT(err({"xyzzy"}), HasSubstr("unknown command xyzzy\n"));
  EXPECT_THAT(err({"backends", "-o", "xml"}), HasSubstr("xml"));
  EXPECT_THAT(err({"backends", "-o", "junit"}), HasSubstr("junit"));
  EXPECT_THAT(err({"features"}), HasSubstr("BACKEND"));
  EXPECT_THAT(err({"map", "gpu0/999"}), HasSubstr("a shmid is a number from 0 to 255, got \"999\""));
  EXPECT_THAT(err({"regions", "gpu0/2"}), HasSubstr("expected BACKEND, got the region gpu0/2"));
  EXPECT_THAT(err({"backends", "--endpoint", "nonsense"}),
              HasSubstr("--endpoint: expected unix:/path/to/socket"));
  EXPECT_THAT(err({"backends", "--timeout", "soon"}), HasSubstr("--timeout: expected"));
}

TEST(Errors, HelpOfEachCommandHasExamples) {
  for (const char* command :
       {"backends", "regions", "mappings", "map", "features", "findings", "probe", "refresh", "health",
        "metrics", "version", "events", "lookup", "attach", "detach", "reset-peaks", "status",
        "doctor", "top", "completion"}) {
    const ProgramRun run = RunProgram("shmemctl", {command, "--help"});
    EXPECT_EQ(run.exit_code, 0);
    EXPECT_THAT(run.out, HasSubstr(std::string("Examples:\n  shmemctl ") + command));
  }
  EXPECT_THAT(RunProgram("shmemctl", {"--version"}).out, ::testing::StartsWith("shmemctl "));
}

TEST(Errors, NothingThere) {
  const ProgramRun run = RunProgram("shmemctl", {"backends"},
                                    {.environment = {{"SHMEMD_ENDPOINT", "unix:/nonexistent/a.sock"}}});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_EQ(run.err,
            "shmemctl: cannot reach shmemd at unix:/nonexistent/a.sock (from SHMEMD_ENDPOINT): there is no "
            "such socket; is "
            "shmemd running?\n");
}

TEST(Errors, NobodyListens) {
  std::string path;
  {
    const FakeShmemd fake(SampleData());
    path = fake.path();
    ASSERT_EQ(::link(path.c_str(), "/tmp/shmemctl-test-stale.sock"), 0);
  }
  const ProgramRun run = RunProgram("shmemctl", {"backends", "--endpoint", "/tmp/shmemctl-test-stale.sock"});
  ::unlink("/tmp/shmemctl-test-stale.sock");
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("nobody listens there"));
}

TEST(Errors, NoPermissionNamesTheGroup) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const FakeShmemd fake(SampleData());
  const std::string folder = fake.path().substr(0, fake.path().rfind('/'));
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  ASSERT_EQ(::chmod(fake.path().c_str(), 0660), 0);
  const ProgramRun run = Ctl(fake, {"backends"}, {.environment = {}, .uid = 65534});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, HasSubstr("permission denied: " + fake.path() +
                                 " belongs to root:root with mode 0660; you need to "
                                 "be in group root"));
  ASSERT_EQ(::chmod(folder.c_str(), 0750), 0);
  EXPECT_THAT(Ctl(fake, {"backends"}, {.environment = {}, .uid = 65534}).err,
              HasSubstr(folder + " belongs to root:root with mode 0750; you need to be in group root"));
}

TEST(Errors, NotFoundHasTheReason) {
  const FakeShmemd fake(SampleData());
  const ProgramRun region = Ctl(fake, {"map", "gpu0/1"});
  EXPECT_EQ(region.exit_code, 4);
  EXPECT_THAT(region.err,
              HasSubstr("[NOT_FOUND, REGION_UNUSED; asked " + fake.endpoint() + " (from SHMEMD_ENDPOINT)]"));
  const ProgramRun backend = Ctl(fake, {"mappings", "gpu9"});
  EXPECT_EQ(backend.exit_code, 4);
  EXPECT_THAT(backend.err, HasSubstr("BACKEND_NOT_FOUND"));
}

TEST(Errors, NoAnswerInTime) {
  CannedData data = SampleData();
  data.silent = true;
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"backends", "--timeout", "200ms"});
  EXPECT_EQ(run.exit_code, 7);
  EXPECT_THAT(run.err, HasSubstr("did not answer in time"));
}

TEST(Errors, ListWithoutEndEnds) {
  CannedData data = SampleData();
  data.endless = true;
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"mappings"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("page token \"again\" again"));
}

TEST(Errors, AdminRoleIsNamed) {
  CannedData data = SampleData();
  data.admin =
      ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, "not at this socket", "ADMIN_ROLE_REQUIRED");
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"refresh", "gpu0"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("ADMIN_ROLE_REQUIRED"));
  EXPECT_THAT(run.err, HasSubstr("/run/shmemd/admin.sock unless configured otherwise"));
}

TEST(Errors, TheAdminSocketIsTheOneThatTheServerNames) {
  CannedData data = SampleData();
  const auto refused = [&](const std::string& socket) {
    data.admin = ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, "not at this socket",
                                 "ADMIN_ROLE_REQUIRED", {{"admin_socket", socket}});
    const FakeShmemd fake(data);
    return Ctl(fake, {"refresh", "gpu0"}).err;
  };
  EXPECT_THAT(refused("/run/vm7/admin.sock"),
              HasSubstr("--endpoint unix:/run/vm7/admin.sock, as its owner\n"));
  EXPECT_THAT(refused("/run/vm7/admin.sock"), ::testing::Not(HasSubstr("/run/shmemd/")));
  EXPECT_THAT(refused(""), HasSubstr("serves nowhere"));
}

TEST(Errors, BackendOutOfReachIsNotShmemdOutOfReach) {
  CannedData data = SampleData();
  data.admin = ErrorWithReason(grpc::StatusCode::UNAVAILABLE, "back-end gpu0: connection refused",
                               "BACKEND_UNREACHABLE");
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"refresh", "gpu0"});
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.err, ::testing::StartsWith("shmemctl: back-end gpu0: connection refused"));
}

TEST(Errors, QueryNotAllowedNamesTheSettingAndItsRisk) {
  CannedData data = RelayData();
  data.admin = ErrorWithReason(grpc::StatusCode::FAILED_PRECONDITION, "back-end lost: query is snoop",
                               "QUERY_NOT_ALLOWED");
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"refresh", "lost"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, ::testing::StartsWith("shmemctl: back-end lost: query is snoop [FAILED_PRECONDITION, "
                                             "QUERY_NOT_ALLOWED; asked "));
  EXPECT_THAT(run.err, HasSubstr("query: inject"));
  EXPECT_THAT(run.err, HasSubstr("drop the connection of the VM"));
}

TEST(Errors, FullDiskIsAnError) {
  const FakeShmemd fake(SampleData());
  const ProgramRun run = RunProgram("shmemctl", {"backends", "--endpoint", fake.endpoint()},
                                    {.environment = {}, .out_path = "/dev/full"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.err, HasSubstr("standard output"));
}

}  // namespace
}  // namespace shmemd::client
