// ShmemInspector as gRPC's callback API wants it: every call is answered at once, on gRPC's thread.
#pragma once

#include "server/api/inspector.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::api {

class InspectorService final : public v1::ShmemInspector::CallbackService {
 public:
  // `inspector` outlives the service.
  explicit InspectorService(const Inspector& inspector) : inspector_(inspector) {}

  grpc::ServerUnaryReactor* GetServerInfo(grpc::CallbackServerContext* context,
                                          const v1::GetServerInfoRequest* request,
                                          v1::GetServerInfoResponse* response) override;
  grpc::ServerUnaryReactor* ListBackends(grpc::CallbackServerContext* context,
                                         const v1::ListBackendsRequest* request,
                                         v1::ListBackendsResponse* response) override;
  grpc::ServerUnaryReactor* GetBackend(grpc::CallbackServerContext* context,
                                       const v1::GetBackendRequest* request, v1::Backend* response) override;
  grpc::ServerUnaryReactor* ListRegions(grpc::CallbackServerContext* context,
                                        const v1::ListRegionsRequest* request,
                                        v1::ListRegionsResponse* response) override;
  grpc::ServerUnaryReactor* GetRegion(grpc::CallbackServerContext* context,
                                      const v1::GetRegionRequest* request, v1::Region* response) override;
  grpc::ServerUnaryReactor* GetRegionLayout(grpc::CallbackServerContext* context,
                                            const v1::GetRegionLayoutRequest* request,
                                            v1::GetRegionLayoutResponse* response) override;
  grpc::ServerUnaryReactor* ListMappings(grpc::CallbackServerContext* context,
                                         const v1::ListMappingsRequest* request,
                                         v1::ListMappingsResponse* response) override;
  grpc::ServerUnaryReactor* LookupMapping(grpc::CallbackServerContext* context,
                                          const v1::LookupMappingRequest* request,
                                          v1::LookupMappingResponse* response) override;
  grpc::ServerUnaryReactor* ListFindings(grpc::CallbackServerContext* context,
                                         const v1::ListFindingsRequest* request,
                                         v1::ListFindingsResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;

 private:
  const Inspector& inspector_;
};

}  // namespace shmemd::api
