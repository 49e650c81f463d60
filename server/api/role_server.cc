#include "server/api/role_server.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <string>
#include <utility>

#include "grpc/health/v1/health.pb.h"

namespace shmemd::api {
namespace {

constexpr int kMaxRequestBytes = 64 * 1024;
constexpr int kMaxConcurrentStreams = 100;  // of one connection
constexpr int kKeepaliveMs = 60 * 1000;
constexpr int kKeepaliveTimeoutMs = 20 * 1000;
constexpr int kLeastPingIntervalMs = 10 * 1000;

// Health is gRPC's own service, which brings no descriptors along. Asking for its name here links ours in, so
// that reflection can describe it.
std::string HealthServiceName() {
  return grpc::health::v1::HealthCheckRequest::descriptor()->file()->service(0)->full_name();
}

std::vector<std::string> ServiceNames() {
  return {HealthServiceName(), grpc::reflection::v1::ServerReflection::service_full_name(),
          grpc::reflection::v1alpha::ServerReflection::service_full_name(),
          v1::ShmemAdmin::service_full_name(), v1::ShmemInspector::service_full_name()};
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingIntervalMs);
}

}  // namespace

RoleServer::RoleServer(const Inspector& inspector, std::unique_ptr<v1::ShmemAdmin::CallbackService> admin)
    : inspector_service_(inspector),
      admin_service_(std::move(admin)),
      reflection_v1_(ServiceNames()),
      reflection_v1alpha_(ServiceNames()) {}

RoleServer::~RoleServer() { Shutdown(std::chrono::system_clock::now()); }

absl::Status RoleServer::Start(const std::vector<int>& listeners) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  builder.RegisterService(&inspector_service_);
  builder.RegisterService(admin_service_.get());
  builder.RegisterService(&reflection_v1_);
  builder.RegisterService(&reflection_v1alpha_);
  using ConnectionType = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  auto acceptor = builder.experimental().AddExternalConnectionAcceptor(ConnectionType::FROM_FD,
                                                                       grpc::InsecureServerCredentials());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC did not start its server; its log says why");
  for (const char* service : {v1::ShmemInspector::service_full_name(), v1::ShmemAdmin::service_full_name()}) {
    server_->GetHealthCheckService()->SetServingStatus(service, true);
  }
  accept_loop_ = std::make_unique<AcceptLoop>(std::move(acceptor), listeners);
  accept_loop_->Start();
  return absl::OkStatus();
}

void RoleServer::MarkNotServing() {
  if (server_ != nullptr) server_->GetHealthCheckService()->Shutdown();
}

void RoleServer::Shutdown(std::chrono::system_clock::time_point deadline) {
  if (server_ == nullptr) return;
  MarkNotServing();
  accept_loop_->Stop();
  server_->Shutdown(deadline);
  server_.reset();
  accept_loop_.reset();
}

}  // namespace shmemd::api
