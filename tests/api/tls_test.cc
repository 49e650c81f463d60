// Who comes in over TLS, and as what.
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>

#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "server/api/call_counter.h"
#include "tests/api/access_fixture.h"

namespace shmemd::api {
namespace {

using grpc::StatusCode;
using testing::HasSubstr;

class TlsTest : public AccessTest {
 protected:
  absl::Status StartError() {
    ApiServer server(config_, fleet_.reader(), control_);
    absl::Status status = server.Start();
    EXPECT_EQ(ApiServer::Check(config_), status) << "--check-config says something else";
    return status;
  }
  TestCertificate Client(const std::vector<std::string>& names = {"DNS:client.example"}) {
    return ca_.Issue({"client", names});
  }
};

TEST_F(TlsTest, AClientOfTheCaIsServedOnBothPorts) {
  UseTls();
  Start();
  EXPECT_TRUE(GetInfo(TlsChannel(Client())).ok());
  EXPECT_TRUE(GetInfo(AdminTlsChannel(Client())).ok());
  EXPECT_THAT(Refresh(TlsChannel(Client())), IsError(StatusCode::PERMISSION_DENIED, "ADMIN_ROLE_REQUIRED"));
  EXPECT_THAT(Refresh(AdminTlsChannel(Client())),
              IsError(StatusCode::INVALID_ARGUMENT, "RESOURCE_NAME_INVALID"));
}

TEST_F(TlsTest, WhoHasNoCertificateOfTheCaIsRefusedInTheHandshake) {
  UseTls();
  Start();
  const TestCa other("other CA");
  EXPECT_EQ(GetInfo(TlsChannel({})).error_code(), StatusCode::UNAVAILABLE) << "no certificate";
  EXPECT_EQ(GetInfo(TlsChannel(other.Issue({"client", {"DNS:client.example"}}))).error_code(),
            StatusCode::UNAVAILABLE)
      << "of another CA";
  EXPECT_EQ(GetInfo(TlsChannel(ca_.Issue({"client", {}, -7200, -3600}))).error_code(),
            StatusCode::UNAVAILABLE)
      << "expired";
  EXPECT_EQ(GetInfo(TlsChannel(ca_.Issue({"client", {}, 3600, 7200}))).error_code(), StatusCode::UNAVAILABLE)
      << "not valid yet";
  EXPECT_EQ(GetInfo(ChannelTo(server_->listen_address())).error_code(), StatusCode::UNAVAILABLE)
      << "without TLS";
  EXPECT_TRUE(GetInfo(TlsChannel(Client())).ok());
}

TEST_F(TlsTest, ALoopbackPortIsPlainUnlessTlsIsAskedFor) {
  config_.listen = "127.0.0.1:0";
  config_.tls = {files_, std::chrono::milliseconds(20)};
  Start();
  EXPECT_FALSE(server_->listen_has_tls());
  EXPECT_TRUE(GetInfo(ChannelTo(server_->listen_address())).ok());
}

TEST_F(TlsTest, AnIdentityThatIsNotListedIsRefusedEverything) {
  UseTls();
  config_.listen_identities = IdentityList::Parse({"reader.example", "spiffe://vms/ns/*"}).value();
  config_.admin_listen_identities = IdentityList::Parse({"spiffe://vms/ns/admins/root"}).value();
  Start();
  EXPECT_TRUE(GetInfo(TlsChannel(Client({"DNS:other.example", "DNS:Reader.example"}))).ok());
  EXPECT_TRUE(GetInfo(TlsChannel(Client({"URI:spiffe://vms/ns/readers/a"}))).ok());
  EXPECT_TRUE(GetInfo(AdminTlsChannel(Client({"URI:spiffe://vms/ns/admins/root"}))).ok());

  const grpc::Status reader = Refresh(AdminTlsChannel(Client({"URI:spiffe://vms/ns/readers/a"})));
  EXPECT_THAT(reader, IsError(StatusCode::PERMISSION_DENIED, "IDENTITY_NOT_ALLOWED"));
  EXPECT_EQ(ErrorInfoOf(reader).metadata().at("identities"), "URI:spiffe://vms/ns/readers/a");
  EXPECT_EQ(ErrorInfoOf(reader).metadata().at("setting"), "api.admin_listen_identities");
  EXPECT_THAT(reader.error_message(), HasSubstr("api.admin_listen_identities"));
  EXPECT_THAT(GetInfo(TlsChannel(Client({}))),
              IsError(StatusCode::PERMISSION_DENIED, "IDENTITY_NOT_ALLOWED"));
  // A prefix ends at a slash, and nobody climbs out of it.
  for (const char* name : {"URI:spiffe://vms/nsx/a", "URI:spiffe://vms/ns/", "URI:spiffe://vms/ns/../x",
                           "DNS:reader.example.org", "email:reader@reader.example"}) {
    EXPECT_THAT(GetInfo(TlsChannel(Client({name}))),
                IsError(StatusCode::PERMISSION_DENIED, "IDENTITY_NOT_ALLOWED"))
        << name;
  }
}

// Each method that reflection lists, of whatever service: asked with an empty request by a client that is in
// no list.
TEST_F(TlsTest, NoMethodOfAnyServiceGetsAroundTheList) {
  UseTls();
  config_.listen_identities = IdentityList::Parse({"reader.example"}).value();
  config_.admin_listen_identities = config_.listen_identities;
  Start();
  int asked = 0;
  for (const auto& channel : {TlsChannel(Client()), AdminTlsChannel(Client())}) {
    grpc::GenericStub stub(channel);
    for (const feed::CallMethod& method : MethodsOf(RoleServer::ServiceNames())) {
      const std::string path = method.path();
      grpc::CompletionQueue queue;
      grpc::ClientContext context;
      SetTestDeadline(context);
      const auto call = stub.PrepareCall(&context, path, &queue);
      call->StartCall(nullptr);
      void* tag = nullptr;
      bool ok = false;
      ASSERT_TRUE(queue.Next(&tag, &ok));
      const grpc::Slice nothing;
      call->WriteLast(grpc::ByteBuffer(&nothing, 1), {}, nullptr);
      queue.Next(&tag, &ok);
      grpc::Status status;
      call->Finish(&status, nullptr);
      ASSERT_TRUE(queue.Next(&tag, &ok));
      EXPECT_THAT(status, IsError(StatusCode::PERMISSION_DENIED, "IDENTITY_NOT_ALLOWED")) << path;
      ++asked;
    }
  }
  EXPECT_GE(asked, 2 * 20);
}

TEST_F(TlsTest, ARefusalNamesSomeOfManyAndLongNames) {
  UseTls();
  config_.listen_identities = IdentityList::Parse({"reader.example"}).value();
  Start();
  std::vector<std::string> names;
  names.reserve(60);
  for (int i = 0; i < 60; ++i) {
    names.push_back("URI:spiffe://vms/" + std::to_string(i) + "/" + std::string(500, '%'));
  }
  const grpc::Status refused = GetInfo(TlsChannel(Client(names)));
  EXPECT_THAT(refused, IsError(StatusCode::PERMISSION_DENIED, "IDENTITY_NOT_ALLOWED"));
  EXPECT_THAT(refused.error_message(), HasSubstr("URI:spiffe://vms/7/"));
  EXPECT_THAT(refused.error_message(), HasSubstr("and 52 more"));
  EXPECT_LT(refused.error_message().size() + refused.error_details().size(), 3000U);
}

TEST_F(TlsTest, RefusedIdentitiesHaveTheirRate) {
  UseTls();
  config_.listen_identities = IdentityList::Parse({"reader.example"}).value();
  config_.limits.calls.max_calls_per_second = 10;
  Start();
  const auto channel = TlsChannel(Client());
  grpc::Status status(StatusCode::PERMISSION_DENIED, "");
  for (int i = 0; i < 30 && status.error_code() == StatusCode::PERMISSION_DENIED; ++i) {
    status = GetInfo(channel);
  }
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
}

TEST_F(TlsTest, RefusalsAreLoggedOnceASecondWithWhoItWas) {
  UseTls();
  config_.listen_identities = IdentityList::Parse({"reader.example"}).value();
  Start();
  const auto channel = TlsChannel(Client({"DNS:stranger.example"}));
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(GetInfo(channel).ok());
  const std::vector<std::string> lines = log_.lines();
  const auto refusals = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("DNS:stranger.example") != std::string::npos;
  });
  EXPECT_GE(refusals, 1);
  EXPECT_LE(refusals, 10);
}

TEST_F(TlsTest, AListenerWithoutWhatItNeedsDoesNotStart) {
  config_.listen = "0.0.0.0:0";
  EXPECT_THAT(std::string(StartError().message()), HasSubstr("api.listen: 0.0.0.0:0"));
  EXPECT_THAT(std::string(StartError().message()), HasSubstr("tls.certificate, tls.key and tls.client_ca"));
  config_.listen = "127.0.0.1:0";
  config_.listen_identities = IdentityList::Parse({"reader.example"}).value();
  EXPECT_THAT(std::string(StartError().message()),
              HasSubstr("api.listen_identities: api.listen 127.0.0.1:0"));
  config_.listen_identities = IdentityList::Anybody();
  EXPECT_EQ(StartError(), absl::OkStatus());
  config_.listen_tls = true;
  EXPECT_THAT(std::string(StartError().message()), HasSubstr("api.listen"));
  config_.listen.clear();
  config_.admin_listen = "127.0.0.1:0";
  EXPECT_THAT(std::string(StartError().message()), HasSubstr("api.admin_listen"));
  config_.tls = {files_, std::chrono::milliseconds(20)};
  EXPECT_THAT(std::string(StartError().message()), HasSubstr("api.admin_listen_identities"));
  config_.admin_listen_identities = IdentityList::Anybody();
  EXPECT_EQ(StartError(), absl::OkStatus());
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamedAtTheStart) {
  UseTls();
  const TestCertificate good = ca_.IssueServer();
  const auto expect = [&](const std::string& file, const std::string& reason) {
    const absl::Status status = StartError();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), testing::AllOf(HasSubstr(file), HasSubstr(reason)));
  };
  std::filesystem::remove(files_.certificate);
  expect("tls.certificate " + files_.certificate, "No such file");
  WriteFile(files_.certificate, "garbage");
  expect(files_.certificate, "no PEM certificate");
  WriteFile(files_.certificate, good.certificate.substr(0, good.certificate.size() / 2));
  expect(files_.certificate, "PEM certificate");
  WriteFile(files_.certificate, good.certificate);
  expect("tls.key " + files_.key, "does not belong to the certificate");
  WriteFile(files_.key, "garbage");
  expect(files_.key, "no PEM private key");
  WriteServer(good);
  WriteFile(files_.client_ca, "");
  expect("tls.client_ca " + files_.client_ca, "no PEM certificate");
  std::filesystem::remove(files_.client_ca);
  std::filesystem::create_directory(files_.client_ca);
  expect(files_.client_ca, "no regular file");
}

}  // namespace
}  // namespace shmemd::api
