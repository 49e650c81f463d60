// Every call of the library, over each kind of connection, against a shmemd with canned answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>
#include <vector>

#include "shmemd/client.h"
#include "shmemd/error.h"
#include "tests/client/certificates.h"
#include "tests/client/fake_shmemd.h"
#include "tests/client/text_message.h"

namespace shmemd::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Client ClientOf(const FakeShmemd& fake) { return *Client::Create({.endpoint = fake.endpoint()}); }

TEST(Calls, EachAnswersWithItsType) {
  CannedData data = SampleData();
  data.events.resize(5);
  const FakeShmemd fake(data);
  const Client client = ClientOf(fake);
  EXPECT_EQ(client.GetServerInfo()->version(), "9.8.7");
  EXPECT_EQ(client.ListBackends()->backends_size(), 2);
  EXPECT_EQ(client.GetBackend("backends/gpu0")->name(), "backends/gpu0");
  EXPECT_EQ(client.ListRegions("backends/gpu0")->regions_size(), 3);
  EXPECT_EQ(client.GetRegion("backends/gpu0/regions/2")->shmid(), 2);
  EXPECT_EQ(client.GetRegionLayout("backends/gpu0/regions/2")->region().shmid(), 2);
  EXPECT_EQ(client.ListMappings()->mappings_size(), static_cast<int>(data.mappings.size()));
  EXPECT_EQ(client.ListMappings()->next_page_token(), "");
  EXPECT_EQ(client.ListMappings("backends/gpu0", "state = STALE", "length_bytes desc").status(),
            absl::OkStatus());
  EXPECT_EQ(fake.asked_mappings(), "state = STALE|length_bytes desc");
  EXPECT_TRUE(client.LookupMapping("backends/gpu0/regions/2", 0x1800).ok());
  EXPECT_EQ(client.ListFindings("", true)->findings_size(), 2);
  EXPECT_EQ(client.ListEvents()->events_size(), 5);
  EXPECT_EQ(client.CheckHealth()->status, "SERVING");
}

TEST(Calls, ThoseThatChangeSomethingSayWhat) {
  CannedData data = SampleData();
  data.detached.mutable_backend()->set_state(v1::Backend::DETACHING);
  const FakeShmemd fake(data);
  const Client client = ClientOf(fake);
  const auto attach = Parse<v1::AttachBackendRequest>(
      R"(backend_id: "vm0" validate_only: true backend { mode: RELAY backend_socket: "/b" frontend_socket: "/f" })");
  EXPECT_EQ(client.AttachBackend(attach)->name(), "backends/vm0");
  EXPECT_EQ(fake.asked_admin(), attach.ShortDebugString());
  EXPECT_EQ(client.DetachBackend("backends/vm0", true)->backend().state(), v1::Backend::DETACHING);
  EXPECT_EQ(fake.asked_admin(), R"(name: "backends/vm0" end_sessions: true)");
  EXPECT_EQ(client.RefreshBackend("backends/gpu0")->name(), "backends/gpu0");
  EXPECT_EQ(client.ProbeBackend("/run/x.sock")->failure(), "probed /run/x.sock");
  EXPECT_EQ(client.ResetRegionPeaks("backends/gpu0")->regions_size(), 3);
  EXPECT_EQ(fake.asked_admin(), R"(name: "backends/gpu0")");
}

TEST(Calls, AnErrorHasItsReasonAndItsDelay) {
  CannedData data = SampleData();
  data.admin = ErrorWithReason(grpc::StatusCode::PERMISSION_DENIED, "not here", "ADMIN_ROLE_REQUIRED",
                               {{"admin_socket", "/a.sock"}});
  const FakeShmemd fake(data);
  const absl::Status status = ClientOf(fake).RefreshBackend("backends/gpu0").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(status.message(), "not here");
  const ErrorInfo info = ErrorInfoOf(status);
  EXPECT_EQ(info.reason, "ADMIN_ROLE_REQUIRED");
  EXPECT_EQ(info.domain, "shmem.vhost");
  EXPECT_THAT(info.metadata, ElementsAre(std::pair("admin_socket", "/a.sock")));
  EXPECT_EQ(RetryDelay(status), std::nullopt);
}

TEST(Calls, ALongListIsVisitedPageByPageAndLeftAnyTime) {
  CannedData data = SampleData();
  data.max_page = 1;
  data.events.resize(3);
  const FakeShmemd fake(data);
  const Client client = ClientOf(fake);
  std::vector<std::string> names;
  const auto visit = [&names](v1::Mapping& mapping) {
    names.push_back(mapping.name());
    return names.size() < 2;
  };
  EXPECT_EQ(client.ForEachMapping({}, visit), absl::OkStatus());
  EXPECT_EQ(names.size(), 2U);
  EXPECT_EQ(fake.call_count(), 2);
  int events = 0;
  EXPECT_EQ(client.ForEachEvent({}, [&events](v1::Event&) { return ++events > 0; }), absl::OkStatus());
  EXPECT_EQ(events, 3);
  data.endless = true;
  const FakeShmemd endless(data);
  EXPECT_EQ(ClientOf(endless).ListMappings().status().code(), absl::StatusCode::kInternal);
}

TEST(Calls, LimitsAreOfACallOrOfAllTogether) {
  CannedData data = SampleData();
  data.silent = true;
  const FakeShmemd fake(data);
  const Client client = ClientOf(fake);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client.WithTimeout(std::chrono::milliseconds(50)).GetServerInfo().status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(client.WithDeadline(std::chrono::system_clock::now()).ListBackends().status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8));
}

TEST(Calls, ManyThreadsShareOneClient) {
  const FakeShmemd fake(SampleData());
  const Client client = ClientOf(fake);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([client] {
      for (int k = 0; k < 50; ++k) EXPECT_EQ(client.ListRegions()->regions_size(), 4);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Calls, AnAnswerThatIsTooLargeIsRefused) {
  CannedData data = SampleData();
  data.backends[0].set_state_detail(std::string(100'000, 'x'));
  const FakeShmemd fake(data);
  const auto client = Client::Create({.endpoint = fake.endpoint(), .max_message_bytes = 50'000});
  EXPECT_EQ(client->ListBackends().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(Calls, ANeighbourThatComesBackIsFoundSoon) {
  const FakeShmemd fake(SampleData());
  TempFolder folder;
  const Client client = *Client::Create({.endpoint = folder.File("later.sock")});
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(client.GetServerInfo().status().code(), absl::StatusCode::kUnavailable);
  std::filesystem::create_symlink(fake.path(), folder.File("later.sock"));
  const auto start = std::chrono::steady_clock::now();
  while (!client.GetServerInfo().ok() &&
         std::chrono::steady_clock::now() - start < std::chrono::seconds(20)) {
    std::this_thread::yield();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(1500));
}

TEST(Calls, WhatCannotBeIsRefusedBeforeAnythingIsTried) {
  const auto refused = [](const ClientOptions& options) {
    const auto client = Client::Create(options);
    EXPECT_EQ(client.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(client.status().message());
  };
  TempFolder folder;
  std::ofstream(folder.File("no.pem")) << "no certificate";
  EXPECT_THAT(refused({.endpoint = "nonsense"}), HasSubstr("expected unix:/path/to/socket or host:port"));
  EXPECT_THAT(refused({.endpoint = "/a.sock", .tls = TlsFiles{}}), HasSubstr("not for the Unix socket"));
  EXPECT_THAT(refused({.endpoint = "h:1", .tls = TlsFiles{}}), HasSubstr("the CA is not given"));
  EXPECT_THAT(refused({.endpoint = "h:1", .tls = TlsFiles{.ca = "/nonexistent"}}),
              HasSubstr("the CA /nonexistent cannot be read"));
  EXPECT_THAT(refused({.endpoint = "h:1", .tls = TlsFiles{.ca = folder.File("no.pem")}}),
              HasSubstr("no.pem is not in PEM form"));
}

class TlsTest : public testing::Test {
 protected:
  std::shared_ptr<grpc::ServerCredentials> MutualTls() const {
    grpc::SslServerCredentialsOptions options(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = Certificates::Read(certificates_.Certificate("ca"));
    options.pem_key_cert_pairs.push_back({Certificates::Read(certificates_.Key("server")),
                                          Certificates::Read(certificates_.Certificate("server"))});
    return grpc::SslServerCredentials(options);
  }
  TlsFiles Files() const {
    return {.ca = certificates_.Certificate("ca"),
            .certificate = certificates_.Certificate("client"),
            .key = certificates_.Key("client"),
            .server_name = ""};
  }
  static absl::Status Ask(const FakeShmemd& fake, std::optional<TlsFiles> tls) {
    const auto client = Client::Create({.endpoint = fake.address(), .tls = std::move(tls)});
    return client.ok() ? client->GetServerInfo().status() : client.status();
  }

  Certificates certificates_;
  FakeShmemd fake_{SampleData(), MutualTls()};
};

TEST_F(TlsTest, BothShowACertificate) {
  EXPECT_EQ(Ask(fake_, Files()), absl::OkStatus());
  TlsFiles files = Files();
  files.server_name = "shmemd.test";
  EXPECT_EQ(Ask(fake_, files), absl::OkStatus());
}

TEST_F(TlsTest, WhoShowsNoneOrTheWrongOneIsNotServed) {
  EXPECT_EQ(Ask(fake_, std::nullopt).code(), absl::StatusCode::kUnavailable);
  TlsFiles files = Files();
  files.certificate.clear();
  files.key.clear();
  EXPECT_EQ(Ask(fake_, files).code(), absl::StatusCode::kUnavailable);
  const Certificates others;
  files = Files();
  files.ca = others.Certificate("ca");
  EXPECT_EQ(Ask(fake_, files).code(), absl::StatusCode::kUnavailable);
  files = Files();
  files.server_name = "other.test";
  EXPECT_EQ(Ask(fake_, files).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace shmemd::client
