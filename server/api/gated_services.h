// The services as they are registered: each call passes the gate, then the service behind it.
//
// A method that is added to a proto and not here is answered with UNIMPLEMENTED: nothing gets around the gate
// by being forgotten.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "server/api/call_gate.h"
#include "server/api/health_service.h"
#include "server/api/inspector_service.h"
#include "server/api/reflection_service.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"

namespace shmemd::api {

namespace gated {

// A stream that ends as it begins.
template <typename Reactor>
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

// `Base` is where the generated code declares the method: clang deduces it apart from the service, GCC need
// not.
template <typename Service, typename Base, typename Request, typename Response>
grpc::ServerUnaryReactor* Unary(CallGate& gate, grpc::CallbackServerContext* context, Service& service,
                                grpc::ServerUnaryReactor* (Base::*method)(grpc::CallbackServerContext*,
                                                                          const Request*, Response*),
                                const Request* request, Response* response) {
  const grpc::Status status = gate.Admit(*context);
  if (status.ok()) return (service.*method)(context, request, response);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

template <typename Service, typename Base, typename Request, typename Reactor>
Reactor* ServerStream(CallGate& gate, grpc::CallbackServerContext* context, Service& service,
                      Reactor* (Base::*method)(grpc::CallbackServerContext*, const Request*),
                      const Request* request) {
  const grpc::Status status = gate.Admit(*context);
  if (status.ok()) return (service.*method)(context, request);
  return new RefusedStream<Reactor>(status);
}

}  // namespace gated

// Each holds references only: `gate` and the service outlive it.
class GatedInspector final
    : public v1::ShmemInspector::WithRawCallbackMethod_Watch<v1::ShmemInspector::CallbackService> {
 public:
  GatedInspector(CallGate& gate, InspectorService& service) : gate_(gate), service_(service) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  Unary* GetServerInfo(Context* context, const v1::GetServerInfoRequest* request,
                       v1::GetServerInfoResponse* response) override;
  Unary* ListBackends(Context* context, const v1::ListBackendsRequest* request,
                      v1::ListBackendsResponse* response) override;
  Unary* GetBackend(Context* context, const v1::GetBackendRequest* request, v1::Backend* response) override;
  Unary* ListRegions(Context* context, const v1::ListRegionsRequest* request,
                     v1::ListRegionsResponse* response) override;
  Unary* GetRegion(Context* context, const v1::GetRegionRequest* request, v1::Region* response) override;
  Unary* GetRegionLayout(Context* context, const v1::GetRegionLayoutRequest* request,
                         v1::GetRegionLayoutResponse* response) override;
  Unary* ListMappings(Context* context, const v1::ListMappingsRequest* request,
                      v1::ListMappingsResponse* response) override;
  Unary* LookupMapping(Context* context, const v1::LookupMappingRequest* request,
                       v1::LookupMappingResponse* response) override;
  Unary* ListFindings(Context* context, const v1::ListFindingsRequest* request,
                      v1::ListFindingsResponse* response) override;
  Unary* ListEvents(Context* context, const v1::ListEventsRequest* request,
                    v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(Context* context,
                                                    const grpc::ByteBuffer* request) override;

 private:
  CallGate& gate_;
  InspectorService& service_;
};

class GatedAdmin final : public v1::ShmemAdmin::CallbackService {
 public:
  GatedAdmin(CallGate& gate, v1::ShmemAdmin::CallbackService& service) : gate_(gate), service_(service) {}

  using Context = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;
  Unary* AttachBackend(Context* context, const v1::AttachBackendRequest* request,
                       v1::Backend* response) override;
  Unary* DetachBackend(Context* context, const v1::DetachBackendRequest* request,
                       v1::DetachBackendResponse* response) override;
  Unary* RefreshBackend(Context* context, const v1::RefreshBackendRequest* request,
                        v1::Backend* response) override;
  Unary* ProbeBackend(Context* context, const v1::ProbeBackendRequest* request,
                      v1::ProbeReport* response) override;
  Unary* ResetRegionPeaks(Context* context, const v1::ResetRegionPeaksRequest* request,
                          v1::ResetRegionPeaksResponse* response) override;

 private:
  CallGate& gate_;
  v1::ShmemAdmin::CallbackService& service_;
};

class GatedHealth final : public grpc::health::v1::Health::CallbackService {
 public:
  GatedHealth(CallGate& gate, HealthService& service) : gate_(gate), service_(service) {}

  using Request = grpc::health::v1::HealthCheckRequest;
  using Response = grpc::health::v1::HealthCheckResponse;
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const Request* request,
                                  Response* response) override;
  grpc::ServerWriteReactor<Response>* Watch(grpc::CallbackServerContext* context,
                                            const Request* request) override;

 private:
  CallGate& gate_;
  HealthService& service_;
};

template <typename Api>
class GatedReflection final : public Api::CallbackService {
 public:
  GatedReflection(CallGate& gate, ReflectionService<Api>& service) : gate_(gate), service_(service) {}

  using Reactor = grpc::ServerBidiReactor<typename Api::Request, typename Api::Response>;
  Reactor* ServerReflectionInfo(grpc::CallbackServerContext* context) override {
    const grpc::Status status = gate_.Admit(*context);
    if (status.ok()) return service_.ServerReflectionInfo(context);
    return new gated::RefusedStream<Reactor>(status);
  }

 private:
  CallGate& gate_;
  ReflectionService<Api>& service_;
};

}  // namespace shmemd::api
