// A real ApiServer with TLS listeners, and clients with the certificates that a test gives them.
#pragma once

#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/api/api_fixture.h"
#include "tests/api/test_ca.h"

namespace shmemd::api {

// What was logged.
class LogLines {
 public:
  LogSink sink() {
    return [this](LogLevel, const std::string& line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.push_back(line);
    };
  }
  std::vector<std::string> lines() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

inline void WriteFile(const std::string& path, const std::string& text) {
  // Renamed into place, so that nobody reads half of it.
  std::ofstream(path + ".new") << text;
  std::filesystem::permissions(path + ".new", std::filesystem::perms::owner_read);
  std::filesystem::rename(path + ".new", path);
}

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    config_.log = log_.sink();
    WriteServer(ca_.IssueServer());
    WriteFile(files_.client_ca, ca_.certificate());
    fleet_.Attach("gpu0");
  }

  void WriteServer(const TestCertificate& server) {
    WriteFile(files_.key, server.key);
    WriteFile(files_.certificate, server.certificate);
  }

  // Both TCP listeners with TLS, read again every 20 ms.
  void UseTls() {
    config_.listen = "127.0.0.1:0";
    config_.listen_tls = true;
    config_.admin_listen = "127.0.0.1:0";
    config_.tls = {files_, std::chrono::milliseconds(20)};
    if (config_.admin_listen_identities.empty()) config_.admin_listen_identities = IdentityList::Anybody();
  }

  void Start() {
    server_ = std::make_unique<ApiServer>(config_, fleet_.reader(), control_);
    ASSERT_EQ(server_->Start(), absl::OkStatus());
  }

  std::shared_ptr<grpc::Channel> TlsChannel(const std::string& address, const TestCertificate& client,
                                            const std::string& server_ca) {
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = server_ca;
    options.pem_cert_chain = client.certificate;
    options.pem_private_key = client.key;
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address, grpc::SslCredentials(options), arguments);
  }
  std::shared_ptr<grpc::Channel> TlsChannel(const TestCertificate& client) {
    return TlsChannel(server_->listen_address(), client, ca_.certificate());
  }
  std::shared_ptr<grpc::Channel> AdminTlsChannel(const TestCertificate& client) {
    return TlsChannel(server_->admin_listen_address(), client, ca_.certificate());
  }

  static grpc::Status GetInfo(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::GetServerInfoResponse response;
    return v1::ShmemInspector::NewStub(channel)->GetServerInfo(&context, v1::GetServerInfoRequest(),
                                                               &response);
  }
  // Refused, if at all, before the back-end is looked for.
  static grpc::Status Refresh(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::RefreshBackendRequest request;
    request.set_name("not a name");
    v1::Backend response;
    return v1::ShmemAdmin::NewStub(channel)->RefreshBackend(&context, request, &response);
  }

  TempDir directory_;
  TestCa ca_;
  TlsFiles files_{directory_.File("server.pem"), directory_.File("server.key"), directory_.File("ca.pem")};
  ApiConfig config_ = ConfigIn(directory_);
  LogLines log_;
  Fleet fleet_;
  feed::Control control_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace shmemd::api
