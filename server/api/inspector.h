// Answers the questions of ShmemInspector from the replica; no reactors, no threads of its own.
//
// Any thread. Copies at most a page while the replica is locked and makes messages of it after.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>

#include "server/api/replica_reader.h"
#include "server/feed/server_findings.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::api {

namespace v1 = ::vhost::shmem::v1;

// What GetServerInfo says that does not change.
struct ServerFacts {
  std::string version;
  int64_t start_time_ns = 0;  // wall clock
  uint64_t host_page_size_bytes = 0;
  uint64_t max_mappings = 0;
  uint64_t max_window_bytes = 0;
};

class Inspector {
 public:
  // `findings` outlives the inspector.
  Inspector(ReplicaReader reader, ServerFacts facts, const feed::ServerFindings& findings);

  grpc::Status GetServerInfo(const v1::GetServerInfoRequest& request,
                             v1::GetServerInfoResponse& response) const;
  grpc::Status ListBackends(const v1::ListBackendsRequest& request, v1::ListBackendsResponse& response) const;
  grpc::Status GetBackend(const v1::GetBackendRequest& request, v1::Backend& response) const;
  grpc::Status ListRegions(const v1::ListRegionsRequest& request, v1::ListRegionsResponse& response) const;
  grpc::Status GetRegion(const v1::GetRegionRequest& request, v1::Region& response) const;
  grpc::Status GetRegionLayout(const v1::GetRegionLayoutRequest& request,
                               v1::GetRegionLayoutResponse& response) const;
  grpc::Status ListMappings(const v1::ListMappingsRequest& request, v1::ListMappingsResponse& response) const;
  grpc::Status LookupMapping(const v1::LookupMappingRequest& request,
                             v1::LookupMappingResponse& response) const;
  grpc::Status ListFindings(const v1::ListFindingsRequest& request, v1::ListFindingsResponse& response) const;
  grpc::Status ListEvents(const v1::ListEventsRequest& request, v1::ListEventsResponse& response) const;

 private:
  ReplicaReader reader_;
  ServerFacts facts_;
  const feed::ServerFindings& findings_;
};

}  // namespace shmemd::api
