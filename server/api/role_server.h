// One gRPC server for the listeners of one role: who may read, or who may change too.
//
// Owned by ApiServer. Serves ShmemInspector, ShmemAdmin (the real one or its refusal), health and reflection.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/server.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "server/api/accept_loop.h"
#include "server/api/health_service.h"
#include "server/api/inspector_service.h"
#include "server/api/reflection_service.h"
#include "server/feed/call_stats.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"

namespace shmemd::api {

class RoleServer {
 public:
  // `inspector`, `watch_feed` and `calls` outlive the server.
  RoleServer(const Inspector& inspector, WatchFeed& watch_feed,
             std::unique_ptr<v1::ShmemAdmin::CallbackService> admin, feed::CallStats& calls);
  ~RoleServer();
  RoleServer(const RoleServer&) = delete;
  RoleServer& operator=(const RoleServer&) = delete;

  // Full names of all services, as reflection lists them.
  static std::vector<std::string> ServiceNames();

  // `listeners`: non-blocking listening sockets, borrowed until Shutdown.
  absl::Status Start(const std::vector<int>& listeners);
  // Health says NOT_SERVING from here on, and streams that watch it end.
  void MarkNotServing();
  // Ends: calls that still run at `deadline` are cancelled.
  void Shutdown(std::chrono::system_clock::time_point deadline);

 private:
  feed::CallStats& calls_;
  HealthService health_service_;
  InspectorService inspector_service_;
  std::unique_ptr<v1::ShmemAdmin::CallbackService> admin_service_;
  ReflectionService<ReflectionV1> reflection_v1_;
  ReflectionService<ReflectionV1Alpha> reflection_v1alpha_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<AcceptLoop> accept_loop_;
};

}  // namespace shmemd::api
