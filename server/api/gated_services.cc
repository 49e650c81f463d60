#include "server/api/gated_services.h"

namespace shmemd::api {

grpc::ServerUnaryReactor* GatedInspector::GetServerInfo(Context* context,
                                                        const v1::GetServerInfoRequest* request,
                                                        v1::GetServerInfoResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::GetServerInfo, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::ListBackends(Context* context,
                                                       const v1::ListBackendsRequest* request,
                                                       v1::ListBackendsResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::ListBackends, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::GetBackend(Context* context, const v1::GetBackendRequest* request,
                                                     v1::Backend* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::GetBackend, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::ListRegions(Context* context, const v1::ListRegionsRequest* request,
                                                      v1::ListRegionsResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::ListRegions, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::GetRegion(Context* context, const v1::GetRegionRequest* request,
                                                    v1::Region* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::GetRegion, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::GetRegionLayout(Context* context,
                                                          const v1::GetRegionLayoutRequest* request,
                                                          v1::GetRegionLayoutResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::GetRegionLayout, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::ListMappings(Context* context,
                                                       const v1::ListMappingsRequest* request,
                                                       v1::ListMappingsResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::ListMappings, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::LookupMapping(Context* context,
                                                        const v1::LookupMappingRequest* request,
                                                        v1::LookupMappingResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::LookupMapping, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::ListFindings(Context* context,
                                                       const v1::ListFindingsRequest* request,
                                                       v1::ListFindingsResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::ListFindings, request, response);
}

grpc::ServerUnaryReactor* GatedInspector::ListEvents(Context* context, const v1::ListEventsRequest* request,
                                                     v1::ListEventsResponse* response) {
  return gated::Unary(gate_, context, service_, &InspectorService::ListEvents, request, response);
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatedInspector::Watch(Context* context,
                                                                  const grpc::ByteBuffer* request) {
  return gated::ServerStream(gate_, context, service_, &InspectorService::Watch, request);
}

grpc::ServerUnaryReactor* GatedAdmin::AttachBackend(Context* context, const v1::AttachBackendRequest* request,
                                                    v1::Backend* response) {
  return gated::Unary(gate_, context, service_, &v1::ShmemAdmin::CallbackService::AttachBackend, request,
                      response);
}

grpc::ServerUnaryReactor* GatedAdmin::DetachBackend(Context* context, const v1::DetachBackendRequest* request,
                                                    v1::DetachBackendResponse* response) {
  return gated::Unary(gate_, context, service_, &v1::ShmemAdmin::CallbackService::DetachBackend, request,
                      response);
}

grpc::ServerUnaryReactor* GatedAdmin::RefreshBackend(Context* context,
                                                     const v1::RefreshBackendRequest* request,
                                                     v1::Backend* response) {
  return gated::Unary(gate_, context, service_, &v1::ShmemAdmin::CallbackService::RefreshBackend, request,
                      response);
}

grpc::ServerUnaryReactor* GatedAdmin::ProbeBackend(Context* context, const v1::ProbeBackendRequest* request,
                                                   v1::ProbeReport* response) {
  return gated::Unary(gate_, context, service_, &v1::ShmemAdmin::CallbackService::ProbeBackend, request,
                      response);
}

grpc::ServerUnaryReactor* GatedAdmin::ResetRegionPeaks(Context* context,
                                                       const v1::ResetRegionPeaksRequest* request,
                                                       v1::ResetRegionPeaksResponse* response) {
  return gated::Unary(gate_, context, service_, &v1::ShmemAdmin::CallbackService::ResetRegionPeaks, request,
                      response);
}

grpc::ServerUnaryReactor* GatedHealth::Check(grpc::CallbackServerContext* context, const Request* request,
                                             Response* response) {
  return gated::Unary(gate_, context, service_, &HealthService::Check, request, response);
}

grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* GatedHealth::Watch(
    grpc::CallbackServerContext* context, const Request* request) {
  return gated::ServerStream(gate_, context, service_, &HealthService::Watch, request);
}

}  // namespace shmemd::api
