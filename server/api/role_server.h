// One gRPC server for the listeners of one role: who may read, or who may change too.
//
// Owned by ApiServer. Serves ShmemInspector, ShmemAdmin (the real one or its refusal), health and reflection,
// all of them behind one gate.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/api/accept_loop.h"
#include "server/api/api_limits.h"
#include "server/api/call_gate.h"
#include "server/api/certificate_store.h"
#include "server/api/gated_services.h"
#include "server/api/health_service.h"
#include "server/api/inspector_service.h"
#include "server/api/reflection_service.h"
#include "server/feed/call_stats.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"

namespace shmemd::api {

class RoleServer {
 public:
  // Which TLS clients have the role, and the setting that says so.
  struct Identities {
    std::string setting;
    IdentityList list;
  };

  // `max_watchers`: as InspectorService has it. `inspector`, `watch_feed` and `calls` outlive the server.
  RoleServer(const Inspector& inspector, WatchFeed& watch_feed, size_t max_watchers,
             std::unique_ptr<v1::ShmemAdmin::CallbackService> admin, feed::CallStats& calls,
             Identities identities, const ApiLimits& limits, const LogSink& log);
  ~RoleServer();
  RoleServer(const RoleServer&) = delete;
  RoleServer& operator=(const RoleServer&) = delete;

  // Full names of all services, as reflection lists them.
  static std::vector<std::string> ServiceNames();

  // The listeners are borrowed until Shutdown, `certificates` as long as the server lives; needed where a
  // listener has TLS.
  absl::Status Start(std::vector<ListenSocket> listeners, const CertificateStore* certificates);
  // Health says NOT_SERVING from here on; its streams and those of reflection end.
  void MarkNotServing();
  // No more connections are accepted, the listeners are left alone, and calls on those there are refused.
  void StopAdmitting();
  // Ends: as soon as no call is under way. Those that still run at `deadline` are cancelled; so are streams,
  // which have been told to end, a second after StopAdmitting: their clients do not read.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  feed::CallStats& calls_;
  const ApiLimits limits_;
  LimitedLog call_log_;
  LimitedLog connection_log_;
  CallGate gate_;
  HealthService health_service_;
  InspectorService inspector_service_;
  std::unique_ptr<v1::ShmemAdmin::CallbackService> admin_service_;
  ReflectionService<ReflectionV1> reflection_v1_;
  ReflectionService<ReflectionV1Alpha> reflection_v1alpha_;
  GatedInspector gated_inspector_;
  GatedAdmin gated_admin_;
  GatedHealth gated_health_;
  GatedReflection<ReflectionV1> gated_reflection_v1_;
  GatedReflection<ReflectionV1Alpha> gated_reflection_v1alpha_;
  std::shared_ptr<grpc::ServerCredentials> tls_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<AcceptLoop> accept_loop_;
};

}  // namespace shmemd::api
