#include "client/connection.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cctype>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace shmemd::client {
namespace {

using Credentials = std::shared_ptr<grpc::ChannelCredentials>;

constexpr unsigned kReadFilesAgainSeconds = 60;

// gRPC reads its target as a URI.
std::string PercentEncoded(const std::string& path) {
  std::string encoded;
  for (const char c : path) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || std::strchr("/._-~", c) != nullptr;
    if (plain) {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

// gRPC would only say that it cannot connect.
absl::Status CheckPem(const std::string& what, const std::string& path) {
  if (path.empty()) return absl::InvalidArgumentError(absl::StrCat("TLS: the ", what, " is not given"));
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.is_open() || text.str().find("-----BEGIN ") == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "TLS: the ", what, " ", path, file.is_open() ? " is not in PEM form" : " cannot be read"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Credentials> TlsCredentials(const TlsFiles& files) {
  using grpc::experimental::FileWatcherCertificateProvider;
  absl::Status status = CheckPem("CA", files.ca);
  const bool ours = !files.certificate.empty() || !files.key.empty();
  if (status.ok() && ours) status = CheckPem("certificate", files.certificate);
  if (status.ok() && ours) status = CheckPem("key", files.key);
  if (!status.ok()) return status;
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(std::make_shared<FileWatcherCertificateProvider>(
      files.key, files.certificate, files.ca, kReadFilesAgainSeconds));
  options.watch_root_certs();
  if (ours) options.watch_identity_key_cert_pairs();
  return grpc::experimental::TlsCredentials(options);
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Connection>> Connection::Make(const ClientOptions& options) {
  auto endpoint = ParseEndpoint(options.endpoint);
  if (!endpoint.ok()) return endpoint.status();
  Credentials credentials = grpc::InsecureChannelCredentials();
  if (options.tls) {
    if (!endpoint->path.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("TLS is for host:port, not for the Unix socket ", endpoint->text()));
    }
    auto made = TlsCredentials(*options.tls);
    if (!made.ok()) return made.status();
    credentials = *std::move(made);
  }
  return std::shared_ptr<const Connection>(
      new Connection(options, *std::move(endpoint), std::move(credentials)));
}

Connection::Connection(const ClientOptions& options, Endpoint endpoint, Credentials credentials)
    : endpoint_(std::move(endpoint)),
      server_name_(options.tls ? options.tls->server_name : ""),
      max_message_bytes_(options.max_message_bytes),
      credentials_(std::move(credentials)),
      channel_(NewChannel()),
      inspector_(v1::ShmemInspector::NewStub(channel_)),
      admin_(v1::ShmemAdmin::NewStub(channel_)) {}

std::shared_ptr<grpc::Channel> Connection::NewChannel() const {
  const bool local = !endpoint_.path.empty();
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(max_message_bytes_);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // Else channels to one endpoint share a connection, and the back-off of the others.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC's own begins with a second and grows to two minutes: long for a neighbour that is being restarted.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, local ? 50 : 200);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, local ? 1000 : 10'000);
  if (!local) {
    // A host that is gone says nothing; within a host the kernel does.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  }
  if (!server_name_.empty()) arguments.SetSslTargetNameOverride(server_name_);
  const std::string target =
      local ? absl::StrCat("unix:", PercentEncoded(endpoint_.path)) : endpoint_.address;
  return grpc::CreateCustomChannel(target, credentials_, arguments);
}

}  // namespace shmemd::client
