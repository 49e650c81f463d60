// How a shmemd is reached: endpoint, credentials, and the channel that all copies of a Client share.
// Immutable once made, so any thread may use it.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/security/credentials.h>

#include <memory>

#include "shmemd/client.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::client {

class Connection {
 public:
  // As Client::Create.
  static absl::StatusOr<std::shared_ptr<const Connection>> Make(const ClientOptions& options);

  const Endpoint& endpoint() const { return endpoint_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::ShmemInspector::Stub& inspector() const { return *inspector_; }
  v1::ShmemAdmin::Stub& admin() const { return *admin_; }

  // Another one to the same endpoint, with a connection of its own.
  std::shared_ptr<grpc::Channel> NewChannel() const;

 private:
  Connection(const ClientOptions& options, Endpoint endpoint,
             std::shared_ptr<grpc::ChannelCredentials> credentials);

  Endpoint endpoint_;
  std::string server_name_;
  int max_message_bytes_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ShmemInspector::Stub> inspector_;
  std::unique_ptr<v1::ShmemAdmin::Stub> admin_;
};

}  // namespace shmemd::client
