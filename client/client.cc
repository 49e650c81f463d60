#include "client/client.h"

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include <utility>

#include "client/rpc_error.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace shmemd::client {
namespace {

constexpr int kPageSize = 1000;
constexpr int kMaxExtents = 4096;

}  // namespace

Client::Client(Endpoint endpoint, std::chrono::milliseconds timeout)
    : endpoint_(std::move(endpoint)),
      deadline_(std::chrono::system_clock::now() + timeout),
      channel_(MakeChannel(endpoint_)),
      inspector_(v1::ShmemInspector::NewStub(channel_)),
      admin_(v1::ShmemAdmin::NewStub(channel_)) {}

template <typename Request, typename Response, typename Call>
absl::StatusOr<Response> Client::ListAll(Request request, Call call) {
  Response all;
  request.set_page_size(kPageSize);
  while (true) {
    grpc::ClientContext context;
    Prepare(&context);
    Response page;
    const grpc::Status status = call(&context, request, &page);
    if (!status.ok()) return FromRpc(status);
    if (!page.next_page_token().empty() && page.next_page_token() == request.page_token()) {
      return absl::InternalError(
          absl::StrCat("the list does not end: page token \"", request.page_token(), "\" again"));
    }
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all.MergeFrom(page);
    if (request.page_token().empty()) return all;
  }
}

absl::StatusOr<v1::GetServerInfoResponse> Client::GetServerInfo() {
  grpc::ClientContext context;
  Prepare(&context);
  v1::GetServerInfoResponse response;
  const grpc::Status status = inspector_->GetServerInfo(&context, v1::GetServerInfoRequest(), &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

absl::StatusOr<v1::ListBackendsResponse> Client::ListBackends() {
  return ListAll<v1::ListBackendsRequest, v1::ListBackendsResponse>(
      {}, [this](auto* context, const auto& request, auto* page) {
        return inspector_->ListBackends(context, request, page);
      });
}

absl::StatusOr<v1::Backend> Client::GetBackend(const std::string& name) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::GetBackendRequest request;
  request.set_name(name);
  v1::Backend response;
  const grpc::Status status = inspector_->GetBackend(&context, request, &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

absl::StatusOr<v1::ListRegionsResponse> Client::ListRegions(const std::string& parent) {
  v1::ListRegionsRequest request;
  request.set_parent(parent);
  return ListAll<v1::ListRegionsRequest, v1::ListRegionsResponse>(
      std::move(request), [this](auto* context, const auto& next, auto* page) {
        return inspector_->ListRegions(context, next, page);
      });
}

absl::StatusOr<v1::GetRegionLayoutResponse> Client::GetRegionLayout(const std::string& name) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::GetRegionLayoutRequest request;
  request.set_name(name);
  request.set_max_extents(kMaxExtents);
  v1::GetRegionLayoutResponse response;
  const grpc::Status status = inspector_->GetRegionLayout(&context, request, &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

absl::StatusOr<v1::ListMappingsResponse> Client::ListMappings(const std::string& parent,
                                                              const std::string& filter,
                                                              const std::string& order_by) {
  v1::ListMappingsRequest request;
  request.set_parent(parent);
  request.set_filter(filter);
  request.set_order_by(order_by);
  return ListAll<v1::ListMappingsRequest, v1::ListMappingsResponse>(
      std::move(request), [this](auto* context, const auto& next, auto* page) {
        return inspector_->ListMappings(context, next, page);
      });
}

absl::StatusOr<v1::LookupMappingResponse> Client::LookupMapping(const std::string& region,
                                                                int64_t shm_offset_bytes) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::LookupMappingRequest request;
  request.set_name(region);
  request.set_shm_offset_bytes(shm_offset_bytes);
  v1::LookupMappingResponse response;
  const grpc::Status status = inspector_->LookupMapping(&context, request, &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

absl::StatusOr<v1::ListFindingsResponse> Client::ListFindings(const std::string& parent,
                                                              bool include_closed) {
  v1::ListFindingsRequest request;
  request.set_parent(parent);
  request.set_include_closed(include_closed);
  return ListAll<v1::ListFindingsRequest, v1::ListFindingsResponse>(
      std::move(request), [this](auto* context, const auto& next, auto* page) {
        return inspector_->ListFindings(context, next, page);
      });
}

absl::StatusOr<v1::ListEventsResponse> Client::ListEvents(const v1::ListEventsRequest& request) {
  return ListAll<v1::ListEventsRequest, v1::ListEventsResponse>(
      request, [this](auto* context, const auto& next, auto* page) {
        return inspector_->ListEvents(context, next, page);
      });
}

absl::StatusOr<v1::Backend> Client::RefreshBackend(const std::string& name) {
  grpc::ClientContext context;
  Prepare(&context);
  v1::RefreshBackendRequest request;
  request.set_name(name);
  v1::Backend response;
  const grpc::Status status = admin_->RefreshBackend(&context, request, &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

absl::StatusOr<Client::Health> Client::CheckHealth() {
  grpc::ClientContext context;
  Prepare(&context);
  grpc::health::v1::HealthCheckResponse response;
  const auto stub = grpc::health::v1::Health::NewStub(channel_);
  const grpc::Status status = stub->Check(&context, grpc::health::v1::HealthCheckRequest(), &response);
  if (!status.ok()) return FromRpc(status);
  return Health{.serving = response.status() == grpc::health::v1::HealthCheckResponse::SERVING,
                .status = grpc::health::v1::HealthCheckResponse::ServingStatus_Name(response.status())};
}

}  // namespace shmemd::client
