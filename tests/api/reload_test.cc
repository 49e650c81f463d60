// Certificates that are replaced on disk while shmemd runs.
#include <sys/stat.h>

#include <functional>

#include "tests/api/access_fixture.h"

namespace shmemd::api {
namespace {

using testing::HasSubstr;

class ReloadTest : public AccessTest {
 protected:
  ReloadTest() {
    UseTls();
    config_.watch.bookmark_after = std::chrono::milliseconds(20);
  }

  // Waits for what happens by itself within a refresh interval or two.
  static bool Becomes(const std::function<bool()>& condition) {
    const int64_t deadline_ns = base::MonotonicNanos() + 20'000'000'000;
    while (base::MonotonicNanos() < deadline_ns) {
      if (condition()) return true;
      std::this_thread::yield();
    }
    return false;
  }

  // Whether a new connection that trusts `ca` alone is answered.
  bool Answers(const TestCa& ca, const TestCertificate& client) {
    return GetInfo(TlsChannel(server_->listen_address(), client, ca.certificate())).ok();
  }

  std::vector<v1::Finding> ServerFindings(bool include_closed = false) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::ListFindingsRequest request;
    request.set_include_closed(include_closed);
    v1::ListFindingsResponse response;
    EXPECT_TRUE(v1::ShmemInspector::NewStub(ChannelTo("unix:" + config_.socket.path))
                    ->ListFindings(&context, request, &response)
                    .ok());
    std::vector<v1::Finding> found;
    for (const v1::Finding& finding : response.findings()) {
      if (finding.resource() == "server") found.push_back(finding);
    }
    return found;
  }
  bool IsUnreadable(const std::string& file, const std::string& reason) {
    const std::vector<v1::Finding> found = ServerFindings();
    return found.size() == 1 && found[0].code() == "CERTIFICATE_UNREADABLE" && found[0].open() &&
           found[0].evidence().at("file") == file &&
           found[0].evidence().at("reason").find(reason) != std::string::npos;
  }

  TestCertificate client_ = ca_.Issue({"client", {"DNS:client.example"}});
  TestCa second_{"second CA"};
};

TEST_F(ReloadTest, NewConnectionsGetTheNewCertificateAndOldStreamsLiveOn) {
  Start();
  const auto channel = TlsChannel(client_);
  const auto inspector = v1::ShmemInspector::NewStub(channel);
  grpc::ClientContext context;
  SetTestDeadline(context);
  const auto stream = inspector->Watch(&context, v1::WatchRequest());
  v1::WatchResponse response;
  ASSERT_TRUE(stream->Read(&response));

  EXPECT_FALSE(Answers(second_, client_)) << "served before it was there";
  WriteServer(second_.IssueServer("renewed"));
  EXPECT_TRUE(Becomes([&] { return Answers(second_, client_); }));
  EXPECT_FALSE(Answers(ca_, client_)) << "the old one is still shown";
  // The stream from before goes on: it is told of what happens now, and its connection takes new calls.
  fleet_.Attach("later");
  server_->ReplicaChanged();
  bool told = false;
  while (!told && stream->Read(&response)) told = response.change().backend().name() == "backends/later";
  EXPECT_TRUE(told);
  EXPECT_TRUE(GetInfo(channel).ok());
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("CN=renewed")));
  context.TryCancel();
}

TEST_F(ReloadTest, AnotherClientCaLetsOthersIn) {
  Start();
  const TestCertificate other = second_.Issue({"other", {}});
  EXPECT_FALSE(Answers(ca_, other));
  WriteFile(files_.client_ca, ca_.certificate() + second_.certificate());
  EXPECT_TRUE(Becomes([&] { return Answers(ca_, other); }));
  EXPECT_TRUE(Answers(ca_, client_));
  WriteFile(files_.client_ca, second_.certificate());
  EXPECT_TRUE(Becomes([&] { return !Answers(ca_, client_); }));
  EXPECT_TRUE(Answers(ca_, other));
}

// As Kubernetes mounts a secret: the files are links through a link that is swapped.
TEST_F(ReloadTest, TheSwapOfALinkIsOneChange) {
  const auto write_set = [&](const std::string& name, const TestCertificate& server) {
    const std::string folder = directory_.File(name);
    std::filesystem::create_directory(folder);
    WriteFile(folder + "/tls.crt", server.certificate);
    WriteFile(folder + "/tls.key", server.key);
    WriteFile(folder + "/ca.crt", ca_.certificate());
  };
  write_set("..1", ca_.IssueServer());
  write_set("..2", second_.IssueServer());
  std::filesystem::create_directory_symlink("..1", directory_.File("..data"));
  for (const char* file : {"tls.crt", "tls.key", "ca.crt"}) {
    std::filesystem::create_symlink(std::string("..data/") + file, directory_.File(file));
  }
  config_.tls->files = {directory_.File("tls.crt"), directory_.File("tls.key"), directory_.File("ca.crt")};
  Start();
  EXPECT_TRUE(Answers(ca_, client_));
  std::filesystem::create_directory_symlink("..2", directory_.File("..data_tmp"));
  std::filesystem::rename(directory_.File("..data_tmp"), directory_.File("..data"));
  EXPECT_TRUE(Becomes([&] { return Answers(second_, client_); }));
  EXPECT_TRUE(ServerFindings(true).empty());
}

TEST_F(ReloadTest, AFileThatCannotBeUsedKeepsTheOldOneAndIsAFindingUntilItCan) {
  Start();
  EXPECT_TRUE(ServerFindings().empty());
  const TestCertificate good = second_.IssueServer();
  const auto expect = [&](const std::string& file, const std::string& reason) {
    EXPECT_TRUE(Becomes([&] { return IsUnreadable(file, reason); })) << file << " " << reason;
    EXPECT_TRUE(Answers(ca_, client_)) << reason;
  };
  WriteFile(files_.certificate, "garbage");
  expect(files_.certificate, "no PEM certificate");
  std::filesystem::remove(files_.certificate);
  expect(files_.certificate, "No such file");
  WriteFile(files_.certificate, good.certificate);
  expect(files_.key, "does not belong to the certificate");
  WriteFile(files_.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
  expect(files_.key, "no PEM private key");
  WriteServer(second_.Issue({"shmemd", {}, -7200, -3600}));
  expect(files_.certificate, "has expired");
  std::filesystem::remove(files_.certificate);
  ASSERT_EQ(mkfifo(files_.certificate.c_str(), 0600), 0);
  expect(files_.certificate, "no regular file");
  WriteServer(good);
  EXPECT_TRUE(Becomes([&] { return ServerFindings().empty(); }));
  EXPECT_TRUE(Becomes([&] { return Answers(second_, client_); }));
  const std::vector<v1::Finding> closed = ServerFindings(true);
  ASSERT_EQ(closed.size(), 1U);
  EXPECT_FALSE(closed[0].open());
  EXPECT_GT(closed[0].occurrence_count(), 4);
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("what was read before is kept")));
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("can be used again")));
}

// Longer than the files are read again: the certificate runs out while it is in use.
TEST_F(ReloadTest, ACertificateThatRunsOutIsAFinding) {
  TestCa::Request request;
  request.valid_until = 2;
  WriteServer(ca_.Issue(request));
  Start();
  EXPECT_TRUE(Becomes([&] { return IsUnreadable(files_.certificate, "has expired"); }));
}

// It must not keep those from starting that the relay is there for.
TEST_F(ReloadTest, ACertificateThatDoesNotHoldAtTheStartIsAFindingToo) {
  WriteServer(ca_.Issue({"shmemd", {}, 3600, 7200}));
  EXPECT_EQ(ApiServer::Check(config_), absl::OkStatus());
  Start();
  EXPECT_TRUE(IsUnreadable(files_.certificate, "not valid before"));
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("in use all the same")));
  server_.reset();
  WriteServer(ca_.Issue({"shmemd", {}, -7200, -3600}));
  EXPECT_EQ(ApiServer::Check(config_), absl::OkStatus());
  Start();
  EXPECT_TRUE(IsUnreadable(files_.certificate, "has expired"));
  WriteServer(ca_.IssueServer());
  EXPECT_TRUE(Becomes([&] { return ServerFindings().empty(); }));
  EXPECT_TRUE(Becomes([&] { return Answers(ca_, client_); }));
}

TEST_F(ReloadTest, OneOfSeveralClientCasThatRunsOutIsNoFinding) {
  const TestCa brief("brief CA", 2);
  WriteFile(files_.client_ca, brief.certificate() + ca_.certificate());
  Start();
  const auto ca_expiry = [this] { return server_->certificate_expiries().at(1).time; };
  const int64_t first = ca_expiry();
  EXPECT_TRUE(Becomes([&] { return ca_expiry() > first; })) << "the next one counts";
  EXPECT_TRUE(ServerFindings(true).empty());
  EXPECT_TRUE(Answers(ca_, client_));
}

TEST_F(ReloadTest, ServerFindingsAreListedFirstAndPagedWithTheOthers) {
  fleet_.RaiseEveryFinding("gpu0");
  WriteServer(ca_.IssueServer());
  Start();
  WriteFile(files_.key, "garbage");
  ASSERT_TRUE(Becomes([&] { return IsUnreadable(files_.key, "no PEM"); }));
  const auto inspector = v1::ShmemInspector::NewStub(ChannelTo("unix:" + config_.socket.path));
  const auto list = [&](const std::string& parent, int page_size) {
    std::vector<std::string> codes;
    v1::ListFindingsRequest request;
    request.set_parent(parent);
    request.set_page_size(page_size);
    do {
      grpc::ClientContext context;
      SetTestDeadline(context);
      v1::ListFindingsResponse response;
      EXPECT_TRUE(inspector->ListFindings(&context, request, &response).ok());
      EXPECT_LE(response.findings_size(), page_size);
      for (const v1::Finding& finding : response.findings())
        codes.push_back(finding.resource() + finding.code());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return codes;
  };
  const std::vector<std::string> all = list("", 1000);
  ASSERT_GT(all.size(), 10U);
  EXPECT_EQ(all[0], "serverCERTIFICATE_UNREADABLE");
  EXPECT_EQ(list("", 1), all);
  EXPECT_EQ(list("", 2), all);
  EXPECT_EQ(list("backends/-", 3), std::vector<std::string>(all.begin() + 1, all.end()));
}

TEST_F(ReloadTest, AKeyThatEverybodyMayReadIsWarnedOf) {
  std::filesystem::permissions(files_.key, std::filesystem::perms(0644));
  Start();
  EXPECT_THAT(log_.lines(), testing::Contains(HasSubstr("tls.key " + files_.key)));
}

}  // namespace
}  // namespace shmemd::api
