// Commands that change something: what they ask for, and what they say about the answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/certificates.h"
#include "tests/client/shmemctl_run.h"
#include "tests/client/text_message.h"

namespace shmemd::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

void ExpectAsked(const std::vector<std::string>& arguments, const std::string& expected) {
  const FakeShmemd fake(SampleData());
  const ProgramRun run = Ctl(fake, arguments);
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(fake.asked_admin(), Parse<v1::AttachBackendRequest>(expected).ShortDebugString());
}

TEST(Attach, OfEachMode) {
  ExpectAsked({"attach", "gpu0", "--frontend", "/b.sock"},
              R"(backend_id: "gpu0" backend { mode: FRONTEND backend_socket: "/b.sock" })");
  ExpectAsked({"attach", "cam0", "--probe", "listen:/b.sock", "--validate-only"},
              R"(backend_id: "cam0" validate_only: true
                 backend { mode: PROBE backend_socket: "/b.sock" backend_socket_role: LISTEN })");
  ExpectAsked(
      {"attach", "m0", "--relay", "/v.sock,/b.sock"},
      R"(backend_id: "m0" backend { mode: RELAY frontend_socket: "/v.sock" backend_socket: "/b.sock" })");
}

TEST(Attach, ARelayWithAllItsOptions) {
  ExpectAsked({"attach", "m0", "--relay", "connect:/v.sock,listen:/b.sock", "--query", "inject", "--guard",
               "protect", "--on-backend-missing", "refuse", "--socket-mode", "0600", "--socket-owner", "0",
               "--socket-group", "root"},
              R"(backend_id: "m0" backend {
                   mode: RELAY frontend_socket: "/v.sock" frontend_socket_role: CONNECT
                   backend_socket: "/b.sock" backend_socket_role: LISTEN query: INJECT guard: PROTECT
                   on_backend_missing: REFUSE listen_options { mode: 384 uid: 0 gid: 0 } })");
}

TEST(Attach, SaysWhatBecameOfIt) {
  const FakeShmemd fake(SampleData());
  const std::vector<std::string> attach = {"attach", "new0", "--frontend", "/b.sock"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), attach.begin(), attach.end());
    return Ctl(fake, more);
  };
  EXPECT_THAT(with({}).out, HasSubstr("CONNECTING"));
  EXPECT_THAT(with({"-q"}).out, IsEmpty());
  EXPECT_EQ(with({"--validate-only"}).out, "new0 can be attached\n");
  EXPECT_THAT(with({"-o", "json"}).out, HasSubstr("\"name\": \"backends/new0\""));
}

TEST(Attach, WrongUsageSaysWhatIsExpected) {
  const auto err = [](const std::vector<std::string>& arguments) {
    const ProgramRun run = RunProgram("shmemctl", arguments);
    EXPECT_EQ(run.exit_code, 2);
    return run.err;
  };
  EXPECT_THAT(err({"attach", "a"}), HasSubstr("how? --relay VMM,BACKEND"));
  EXPECT_THAT(err({"attach", "a", "--relay", "/v.sock"}),
              HasSubstr("--relay: expected the socket of the VMM and"));
  EXPECT_THAT(err({"attach", "a", "--frontend", "b.sock"}), HasSubstr("expected an absolute path"));
  EXPECT_THAT(err({"attach", "a", "--frontend", "/b", "--guard", "warn"}), HasSubstr("are for --relay"));
  EXPECT_THAT(err({"attach", "a", "--frontend", "/b", "--probe", "/b"}), HasSubstr("--probe"));
  EXPECT_THAT(err({"attach", "a", "--relay", "/v,/b", "--guard", "on"}), HasSubstr("on"));
  EXPECT_THAT(err({"attach", "a", "--relay", "/v,/b", "--socket-mode", "rw"}),
              HasSubstr("expected an octal number"));
  EXPECT_THAT(err({"attach", "a", "--relay", "/v,/b", "--socket-group", "no-such-group"}),
              HasSubstr("there is no group no-such-group"));
}

TEST(Attach, WhatIsRefusedHasARemedy) {
  CannedData data = SampleData();
  const auto err = [&](grpc::StatusCode code, const std::string& reason) {
    data.admin = ErrorWithReason(code, "back-end gpu0: no", reason);
    const FakeShmemd fake(data);
    const ProgramRun run = Ctl(fake, {"attach", "gpu0", "--frontend", "/b.sock"});
    EXPECT_NE(run.exit_code, 0);
    return run.err;
  };
  EXPECT_THAT(err(grpc::StatusCode::ALREADY_EXISTS, "ALREADY_ATTACHED"), HasSubstr("detach it first"));
  EXPECT_THAT(err(grpc::StatusCode::FAILED_PRECONDITION, "BACKEND_BUSY"), HasSubstr("who uses which socket"));
  EXPECT_THAT(err(grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_BACKENDS"),
              HasSubstr("limits.max_backends"));
  EXPECT_THAT(err(grpc::StatusCode::UNAVAILABLE, "STATE_NOT_SAVED"), HasSubstr("state_dir"));
}

TEST(Detach, IsDoneOrWaitsForTheSession) {
  CannedData data = SampleData();
  {
    const FakeShmemd fake(data);
    EXPECT_EQ(Ctl(fake, {"detach", "gpu0"}).out, "gpu0 is detached\n");
    EXPECT_EQ(fake.asked_admin(), R"(name: "backends/gpu0")");
    Ctl(fake, {"detach", "gpu0", "--end-sessions"});
    EXPECT_EQ(fake.asked_admin(), R"(name: "backends/gpu0" end_sessions: true)");
    EXPECT_EQ(Ctl(fake, {"detach", "gpu0/2"}).exit_code, 2);
  }
  data.detached.mutable_backend()->set_name("backends/gpu0");
  const FakeShmemd fake(data);
  const ProgramRun run = Ctl(fake, {"detach", "gpu0"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.out, "gpu0 is DETACHING: it goes when its session ends\n");
  EXPECT_THAT(run.err, HasSubstr("--end-sessions"));
}

TEST(ResetPeaks, OfABackendOrARegion) {
  const FakeShmemd fake(SampleData());
  EXPECT_THAT(Ctl(fake, {"reset-peaks", "gpu0"}).out, HasSubstr("gpu0         5"));
  EXPECT_EQ(fake.asked_admin(), R"(name: "backends/gpu0")");
  EXPECT_THAT(Ctl(fake, {"reset-peaks", "gpu0/2", "-o", "json"}).out, HasSubstr("\"regions\": ["));
  EXPECT_EQ(fake.asked_admin(), R"(name: "backends/gpu0/regions/2")");
  EXPECT_EQ(Ctl(fake, {"reset-peaks", "-"}).exit_code, 2);
}

TEST(Tls, ByFlagsOrEnvironment) {
  const Certificates certificates;
  grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = Certificates::Read(certificates.Certificate("ca"));
  options.pem_key_cert_pairs.push_back({Certificates::Read(certificates.Key("server")),
                                        Certificates::Read(certificates.Certificate("server"))});
  const FakeShmemd fake(SampleData(), grpc::SslServerCredentials(options));
  const std::string ca = certificates.Certificate("ca");
  const std::string cert = certificates.Certificate("client");
  const std::string key = certificates.Key("client");
  const std::vector<std::string> ask = {"backends", "-q", "--endpoint", fake.address()};
  const auto with = [&ask](const std::vector<std::string>& flags) {
    std::vector<std::string> all = ask;
    all.insert(all.end(), flags.begin(), flags.end());
    return all;
  };
  EXPECT_EQ(Ctl(fake, with({"--ca", ca, "--cert", cert, "--key", key, "--server-name", "shmemd.test"})).out,
            "fs0\ngpu0\n");
  const ProgramOptions environment{
      .environment = {{"SHMEMD_CA", ca}, {"SHMEMD_CERT", cert}, {"SHMEMD_KEY", key}}};
  EXPECT_EQ(Ctl(fake, ask, environment).out, "fs0\ngpu0\n");
  EXPECT_EQ(Ctl(fake, {"backends", "-q"}, environment).out, "fs0\ngpu0\n");  // the Unix socket: not for it
  EXPECT_EQ(Ctl(fake, with({"--ca", ca})).exit_code, 3);
  EXPECT_THAT(Ctl(fake, ask).err, HasSubstr("where it serves TLS: --ca FILE --cert FILE --key FILE"));
  EXPECT_THAT(Ctl(fake, with({"--cert", cert, "--key", key})).err, HasSubstr("TLS needs --ca FILE"));
  EXPECT_THAT(Ctl(fake, with({"--ca", ca, "--cert", cert})).err, HasSubstr("go together"));
  EXPECT_THAT(Ctl(fake, with({"--ca", "/nonexistent"})).err, HasSubstr("the CA /nonexistent cannot be read"));
  EXPECT_THAT(Ctl(fake, {"backends", "--ca", ca}).err, HasSubstr("are for --endpoint host:port"));
}

}  // namespace
}  // namespace shmemd::client
