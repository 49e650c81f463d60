#include "server/api/role_server.h"

#include <grpc/grpc.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <utility>

#include "server/api/call_counter.h"
#include "server/api/tls_credentials.h"

namespace shmemd::api {
namespace {

constexpr int kKeepaliveMs = 60 * 1000;
constexpr int kKeepaliveTimeoutMs = 20 * 1000;
// Half of the least that grpc-go sends, so that jitter is no strike.
constexpr int kLeastPingIntervalMs = 5 * 1000;

void SetLimits(const ApiLimits& limits, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(limits.max_message_bytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.calls.max_streams);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                             static_cast<int>(limits.handshake.count()));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, static_cast<int>(limits.max_idle.count()));
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

RoleServer::RoleServer(const Inspector& inspector, WatchFeed& watch_feed, size_t max_watchers,
                       std::unique_ptr<v1::ShmemAdmin::CallbackService> admin, feed::CallStats& calls,
                       Identities identities, const ApiLimits& limits, const LogSink& log)
    : calls_(calls),
      limits_(limits),
      call_log_(log),
      connection_log_(log),
      gate_(std::move(identities.setting), std::move(identities.list), limits.calls, call_log_),
      health_service_({v1::ShmemInspector::service_full_name(), v1::ShmemAdmin::service_full_name()}),
      inspector_service_(inspector, watch_feed, max_watchers),
      admin_service_(std::move(admin)),
      reflection_v1_(ServiceNames()),
      reflection_v1alpha_(ServiceNames()),
      gated_inspector_(gate_, inspector_service_),
      gated_admin_(gate_, *admin_service_),
      gated_health_(gate_, health_service_),
      gated_reflection_v1_(gate_, reflection_v1_),
      gated_reflection_v1alpha_(gate_, reflection_v1alpha_) {}

RoleServer::~RoleServer() { Shutdown(std::chrono::system_clock::now()); }

absl::Status RoleServer::Start(std::vector<ListenSocket> listeners, const CertificateStore* certificates) {
  KeepLibrary();
  grpc::ServerBuilder builder;
  SetLimits(limits_, builder);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallCounter>(calls_, gate_.open_calls()));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&gated_health_);
  builder.RegisterService(&gated_inspector_);
  builder.RegisterService(&gated_admin_);
  builder.RegisterService(&gated_reflection_v1_);
  builder.RegisterService(&gated_reflection_v1alpha_);
  using ConnectionType = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  const AcceptLoop::Acceptor plain = builder.experimental().AddExternalConnectionAcceptor(
      ConnectionType::FROM_FD, grpc::InsecureServerCredentials());
  AcceptLoop::Acceptor encrypted;
  if (certificates != nullptr) {
    tls_ = MakeTlsCredentials(*certificates);
    encrypted = builder.experimental().AddExternalConnectionAcceptor(ConnectionType::FROM_FD, tls_);
  }
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC did not start its server; its log says why");
  accept_loop_ = std::make_unique<AcceptLoop>(limits_.handshake, connection_log_);
  for (ListenSocket& listener : listeners) {
    const AcceptLoop::Acceptor& acceptor = listener.tls ? encrypted : plain;
    accept_loop_->Add(std::move(listener), acceptor);
  }
  accept_loop_->Start();
  gate_.open_calls().SetOverloadListener([loop = accept_loop_.get()] { loop->EndFloods(); });
  return absl::OkStatus();
}

void RoleServer::MarkNotServing() {
  health_service_.Shutdown();
  reflection_v1_.Shutdown();
  reflection_v1alpha_.Shutdown();
}

void RoleServer::StopAdmitting() {
  if (server_ == nullptr) return;
  gate_.open_calls().Close();
  accept_loop_->Stop();
}

// gRPC waits until the clients have closed their connections, which those without a thread for it do not: so
// it is asked to when there is nothing more to say, and waits for a moment only.
void RoleServer::Shutdown(std::chrono::system_clock::time_point deadline) {
  constexpr std::chrono::milliseconds kGoodbye{100};
  if (server_ == nullptr) return;
  MarkNotServing();
  StopAdmitting();
  gate_.open_calls().WaitUntilEnded(deadline);
  server_->Shutdown(std::min(deadline, std::chrono::system_clock::now() + kGoodbye));
  server_.reset();
  gate_.open_calls().SetOverloadListener(nullptr);
  accept_loop_.reset();
}

}  // namespace shmemd::api
