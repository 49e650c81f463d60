#include "client/shmemctl/chosen_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/shmemctl/rpc_error.h"
#include "shmemd/error.h"
#include "tests/client/fake_shmemd.h"

namespace shmemd::shmemctl {
namespace {

using ::testing::HasSubstr;

client::Environment Variable(const std::string& value) {
  return [value](const char* name) { return std::string(name) == "SHMEMD_ENDPOINT" ? value : std::string(); };
}

TEST(Endpoint, FlagThenVariableThenDefault) {
  EXPECT_EQ(ChooseEndpoint("", Role::kInspector, Variable(""))->text(), "unix:/run/shmemd/api.sock");
  EXPECT_EQ(ChooseEndpoint("", Role::kAdmin, Variable(""))->text(), "unix:/run/shmemd/admin.sock");
  EXPECT_EQ(ChooseEndpoint("", Role::kAdmin, Variable("unix:/v.sock"))->text(), "unix:/v.sock");
  EXPECT_EQ(ChooseEndpoint("host:1", Role::kAdmin, Variable("unix:/v.sock"))->text(), "host:1");
}

TEST(Endpoint, Forms) {
  EXPECT_EQ(ChooseEndpoint("unix:///a/b.sock", Role::kInspector, Variable(""))->path, "/a/b.sock");
  EXPECT_EQ(ChooseEndpoint("/a/b.sock", Role::kInspector, Variable(""))->path, "/a/b.sock");
  EXPECT_EQ(ChooseEndpoint("[::1]:18045", Role::kInspector, Variable(""))->address, "[::1]:18045");
  for (const std::string& text :
       {std::string("host"), std::string("host:0"), std::string("host:65536"), std::string("host:x"),
        std::string(":1"), std::string("unix:"), "unix:/" + std::string(107, 'a')}) {
    EXPECT_FALSE(ChooseEndpoint(text, Role::kInspector, Variable("")).ok()) << text;
  }
  EXPECT_TRUE(ChooseEndpoint("unix:/" + std::string(106, 'a'), Role::kInspector, Variable("")).ok());
}

TEST(RpcError, KeepsTheReason) {
  const absl::Status status =
      client::FromRpc(client::ErrorWithReason(grpc::StatusCode::NOT_FOUND, "no", "REGION_UNUSED"));
  EXPECT_EQ(client::ErrorReason(status), "REGION_UNUSED");
  EXPECT_EQ(ExitCodeOf(status), ExitCode::kNotFound);
  EXPECT_EQ(client::ErrorReason(absl::NotFoundError("no")), "");
}

TEST(RpcError, DetailsThatAreGarbageAreIgnored) {
  const absl::Status status =
      client::FromRpc(grpc::Status(grpc::StatusCode::ABORTED, "busy", "\xff\xff\xff"));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(client::ErrorReason(status), "");
}

TEST(RpcError, RoleSaysWhatHelps) {
  const ChosenEndpoint endpoint = *ChooseEndpoint("unix:/x/api.sock", Role::kAdmin, Variable(""));
  const std::string text =
      DescribeError(client::FromRpc(client::ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, "not here",
                                                            "ADMIN_ROLE_REQUIRED")),
                    endpoint);
  EXPECT_THAT(text, HasSubstr("unix:/x/api.sock (from --endpoint)"));
  EXPECT_THAT(text, HasSubstr("/run/shmemd/admin.sock"));
}

}  // namespace
}  // namespace shmemd::shmemctl
