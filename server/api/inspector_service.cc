#include "server/api/inspector_service.h"

#include "server/api/watch_stream.h"

namespace shmemd::api {
namespace {

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace

grpc::ServerUnaryReactor* InspectorService::GetServerInfo(grpc::CallbackServerContext* context,
                                                          const v1::GetServerInfoRequest* request,
                                                          v1::GetServerInfoResponse* response) {
  return Finished(context, inspector_.GetServerInfo(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::ListBackends(grpc::CallbackServerContext* context,
                                                         const v1::ListBackendsRequest* request,
                                                         v1::ListBackendsResponse* response) {
  return Finished(context, inspector_.ListBackends(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::GetBackend(grpc::CallbackServerContext* context,
                                                       const v1::GetBackendRequest* request,
                                                       v1::Backend* response) {
  return Finished(context, inspector_.GetBackend(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::ListRegions(grpc::CallbackServerContext* context,
                                                        const v1::ListRegionsRequest* request,
                                                        v1::ListRegionsResponse* response) {
  return Finished(context, inspector_.ListRegions(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::GetRegion(grpc::CallbackServerContext* context,
                                                      const v1::GetRegionRequest* request,
                                                      v1::Region* response) {
  return Finished(context, inspector_.GetRegion(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::GetRegionLayout(grpc::CallbackServerContext* context,
                                                            const v1::GetRegionLayoutRequest* request,
                                                            v1::GetRegionLayoutResponse* response) {
  return Finished(context, inspector_.GetRegionLayout(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::ListMappings(grpc::CallbackServerContext* context,
                                                         const v1::ListMappingsRequest* request,
                                                         v1::ListMappingsResponse* response) {
  return Finished(context, inspector_.ListMappings(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::LookupMapping(grpc::CallbackServerContext* context,
                                                          const v1::LookupMappingRequest* request,
                                                          v1::LookupMappingResponse* response) {
  return Finished(context, inspector_.LookupMapping(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::ListFindings(grpc::CallbackServerContext* context,
                                                         const v1::ListFindingsRequest* request,
                                                         v1::ListFindingsResponse* response) {
  return Finished(context, inspector_.ListFindings(*request, *response));
}

grpc::ServerUnaryReactor* InspectorService::ListEvents(grpc::CallbackServerContext* context,
                                                       const v1::ListEventsRequest* request,
                                                       v1::ListEventsResponse* response) {
  return Finished(context, inspector_.ListEvents(*request, *response));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* InspectorService::Watch(grpc::CallbackServerContext*,
                                                                    const grpc::ByteBuffer* request) {
  return WatchStream::Start(watch_feed_, max_watchers_, *request);
}

}  // namespace shmemd::api
