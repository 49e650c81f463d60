// Asks shmemd. Lists come whole: every page is fetched and merged. Owned and used by one thread; each call
// blocks until the answer or the deadline. Errors are as of FromRpc.
#pragma once

#include <absl/status/statusor.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <string>

#include "client/endpoint.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::client {

namespace v1 = ::vhost::shmem::v1;

class Client {
 public:
  // All calls together may take `timeout`, counted from here.
  Client(Endpoint endpoint, std::chrono::milliseconds timeout);

  const Endpoint& endpoint() const { return endpoint_; }

  absl::StatusOr<v1::GetServerInfoResponse> GetServerInfo();
  absl::StatusOr<v1::ListBackendsResponse> ListBackends();
  absl::StatusOr<v1::Backend> GetBackend(const std::string& name);
  absl::StatusOr<v1::ListRegionsResponse> ListRegions(const std::string& parent);
  // In as many extents as the API gives.
  absl::StatusOr<v1::GetRegionLayoutResponse> GetRegionLayout(const std::string& name);
  // `filter`, `order_by`: as ListMappingsRequest has them; empty: all, by offset.
  absl::StatusOr<v1::ListMappingsResponse> ListMappings(const std::string& parent,
                                                        const std::string& filter = {},
                                                        const std::string& order_by = {});
  // `region`: its resource name.
  absl::StatusOr<v1::LookupMappingResponse> LookupMapping(const std::string& region,
                                                          int64_t shm_offset_bytes);
  absl::StatusOr<v1::ListFindingsResponse> ListFindings(const std::string& parent, bool include_closed);
  // `request`: what is wanted; its paging is ours.
  absl::StatusOr<v1::ListEventsResponse> ListEvents(const v1::ListEventsRequest& request);
  absl::StatusOr<v1::Backend> RefreshBackend(const std::string& name);

  // grpc.health.v1: whether the server as a whole is SERVING, and the name of what it says.
  struct Health {
    bool serving = false;
    std::string status;  // "SERVING"
  };
  absl::StatusOr<Health> CheckHealth();

 private:
  // Fetches page after page into one response.
  template <typename Request, typename Response, typename Call>
  absl::StatusOr<Response> ListAll(Request request, Call call);
  void Prepare(grpc::ClientContext* context) const { context->set_deadline(deadline_); }

  Endpoint endpoint_;
  std::chrono::system_clock::time_point deadline_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ShmemInspector::Stub> inspector_;
  std::unique_ptr<v1::ShmemAdmin::Stub> admin_;
};

}  // namespace shmemd::client
