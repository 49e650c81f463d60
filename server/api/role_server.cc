#include "server/api/role_server.h"

#include <grpc/grpc.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "server/api/call_counter.h"

namespace shmemd::api {
namespace {

constexpr int kMaxRequestBytes = 64 * 1024;
constexpr int kMaxConcurrentStreams = 100;  // of one connection
constexpr int kKeepaliveMs = 60 * 1000;
constexpr int kKeepaliveTimeoutMs = 20 * 1000;
constexpr int kLeastPingIntervalMs = 10 * 1000;

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingIntervalMs);
}

// Keeps gRPC's library until the process ends. A write that did not fit into a socket leaves a thread of gRPC
// in epoll_wait for up to 10 s, and whoever lets go of the library last waits for that thread: the end of the
// last server would take as long.
void KeepLibrary() { grpc_init(); }

}  // namespace

std::vector<std::string> RoleServer::ServiceNames() {
  return {grpc::health::v1::Health::service_full_name(),
          grpc::reflection::v1::ServerReflection::service_full_name(),
          grpc::reflection::v1alpha::ServerReflection::service_full_name(),
          v1::ShmemAdmin::service_full_name(), v1::ShmemInspector::service_full_name()};
}

RoleServer::RoleServer(const Inspector& inspector, WatchFeed& watch_feed,
                       std::unique_ptr<v1::ShmemAdmin::CallbackService> admin, feed::CallStats& calls)
    : calls_(calls),
      health_service_({v1::ShmemInspector::service_full_name(), v1::ShmemAdmin::service_full_name()}),
      inspector_service_(inspector, watch_feed),
      admin_service_(std::move(admin)),
      reflection_v1_(ServiceNames()),
      reflection_v1alpha_(ServiceNames()) {}

RoleServer::~RoleServer() { Shutdown(std::chrono::system_clock::now()); }

absl::Status RoleServer::Start(const std::vector<int>& listeners) {
  KeepLibrary();
  grpc::ServerBuilder builder;
  SetLimits(builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallCounter>(calls_));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&health_service_);
  builder.RegisterService(&inspector_service_);
  builder.RegisterService(admin_service_.get());
  builder.RegisterService(&reflection_v1_);
  builder.RegisterService(&reflection_v1alpha_);
  using ConnectionType = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  auto acceptor = builder.experimental().AddExternalConnectionAcceptor(ConnectionType::FROM_FD,
                                                                       grpc::InsecureServerCredentials());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC did not start its server; its log says why");
  accept_loop_ = std::make_unique<AcceptLoop>(std::move(acceptor), listeners);
  accept_loop_->Start();
  return absl::OkStatus();
}

void RoleServer::MarkNotServing() { health_service_.Shutdown(); }

void RoleServer::Shutdown(std::chrono::system_clock::time_point deadline) {
  if (server_ == nullptr) return;
  MarkNotServing();
  accept_loop_->Stop();
  server_->Shutdown(deadline);
  server_.reset();
  accept_loop_.reset();
}

}  // namespace shmemd::api
