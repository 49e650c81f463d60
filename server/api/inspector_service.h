// ShmemInspector as gRPC's callback API wants it: every call but Watch is answered at once, on gRPC's thread.
#pragma once

#include "server/api/inspector.h"
#include "server/api/watch_feed.h"
#include "vhost/shmem/v1/inspector.grpc.pb.h"

namespace shmemd::api {

// Watch is raw: its messages are serialized once for all watchers.
class InspectorService final
    : public v1::ShmemInspector::WithRawCallbackMethod_Watch<v1::ShmemInspector::CallbackService> {
 public:
  // `inspector` and `watch_feed` outlive the service. `max_watchers`: beyond so many of all services on that
  // feed, Watch is refused here.
  InspectorService(const Inspector& inspector, WatchFeed& watch_feed, size_t max_watchers)
      : inspector_(inspector), watch_feed_(watch_feed), max_watchers_(max_watchers) {}

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
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;

 private:
  const Inspector& inspector_;
  WatchFeed& watch_feed_;
  const size_t max_watchers_;
};

}  // namespace shmemd::api
