// grpc.health.v1 as gRPC's callback API wants it. gRPC brings a service of its own, whose Watch streams never
// end: a shutdown would wait for them as long as it may wait at all.
//
// Any thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "server/base/mutex.h"

namespace shmemd::api {

class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // `services`: those that are SERVING from the start, beside "", which is the server as a whole.
  explicit HealthService(const std::vector<std::string>& services);
  ~HealthService() override;

  // For good: everything is NOT_SERVING. Watchers are told, then their streams end with UNAVAILABLE.
  void Shutdown();

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override;
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context, const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;

  void Forget(const std::shared_ptr<Watcher>& watcher);

  const std::set<std::string> services_;
  base::Mutex mutex_;
  bool serving_ ABSL_GUARDED_BY(mutex_) = true;
  std::set<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace shmemd::api
