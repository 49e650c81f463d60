#include "shmemd/client.h"

#include <absl/strings/str_cat.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <array>
#include <future>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "shmemd/error.h"

namespace shmemd::client {
namespace {

using Inspector = v1::ShmemInspector::Stub;
using Admin = v1::ShmemAdmin::Stub;
using TimePoint = std::chrono::system_clock::time_point;

constexpr int kPageSize = 1000;

template <typename Stub, typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Ask(TimePoint deadline, Stub& stub, Method<Stub, Request, Response> method,
                             const Request& request) {
  grpc::ClientContext context;
  context.set_deadline(deadline);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return FromRpc(status);
  return response;
}

// Shows page after page until there are no more, or `take` says that it has enough. `deadline` says when the
// call that begins now must be over.
template <typename Stub, typename Request, typename Response>
absl::Status EachPage(const std::function<TimePoint()>& deadline, Stub& stub,
                      Method<Stub, Request, Response> method, Request request,
                      const std::function<bool(Response&)>& take) {
  request.set_page_size(kPageSize);
  request.clear_page_token();
  while (true) {
    auto page = Ask(deadline(), stub, method, request);
    if (!page.ok()) return page.status();
    if (!page->next_page_token().empty() && page->next_page_token() == request.page_token()) {
      return absl::InternalError(
          absl::StrCat("the list does not end: page token \"", request.page_token(), "\" again"));
    }
    request.set_page_token(page->next_page_token());
    page->clear_next_page_token();
    if (!take(*page) || request.page_token().empty()) return absl::OkStatus();
  }
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> AllPages(const std::function<TimePoint()>& deadline, Stub& stub,
                                  Method<Stub, Request, Response> method, Request request) {
  Response all;
  const absl::Status status =
      EachPage<Stub, Request, Response>(deadline, stub, method, std::move(request), [&all](Response& page) {
        all.MergeFrom(page);
        return true;
      });
  if (!status.ok()) return status;
  return all;
}

template <typename Items, typename Visit>
bool VisitAll(Items& items, const Visit& visit) {
  for (auto& item : items) {
    if (!visit(item)) return false;
  }
  return true;
}

// grpc.health.v1 by field numbers instead of generated code, for the same reason as in error.cc.
grpc::ByteBuffer HealthRequest(const std::string& service) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    google::protobuf::internal::WireFormatLite::WriteString(1, service, &output);
  }
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}

int HealthStatus(const grpc::ByteBuffer& response) {
  using google::protobuf::internal::WireFormatLite;
  grpc::Slice bytes;
  if (!response.DumpToSingleSlice(&bytes).ok()) return 0;
  google::protobuf::io::CodedInputStream input(bytes.begin(), static_cast<int>(bytes.size()));
  uint32_t status = 0;
  while (const uint32_t tag = input.ReadTag()) {
    const bool is_status = tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_VARINT);
    if (is_status ? !input.ReadVarint32(&status) : !WireFormatLite::SkipField(&input, tag)) return 0;
  }
  return static_cast<int>(status);
}

}  // namespace

absl::StatusOr<Client> Client::Create(const ClientOptions& options) {
  auto connection = Connection::Make(options);
  if (!connection.ok()) return connection.status();
  return Client(*std::move(connection), options.timeout);
}

Client::Client(std::shared_ptr<const Connection> connection, std::chrono::milliseconds timeout)
    : connection_(std::move(connection)), timeout_(timeout) {}

Client Client::WithTimeout(std::chrono::milliseconds timeout) const { return {connection_, timeout}; }

Client Client::WithDeadline(std::chrono::system_clock::time_point deadline) const {
  Client client = *this;
  client.deadline_ = deadline;
  return client;
}

const Endpoint& Client::endpoint() const { return connection_->endpoint(); }

std::shared_ptr<grpc::Channel> Client::channel() const { return connection_->channel(); }

Client::TimePoint Client::Deadline() const {
  return deadline_.value_or(std::chrono::system_clock::now() + timeout_);
}

absl::StatusOr<v1::GetServerInfoResponse> Client::GetServerInfo() const {
  return Ask(Deadline(), connection_->inspector(), &Inspector::GetServerInfo, v1::GetServerInfoRequest());
}

absl::StatusOr<v1::ListBackendsResponse> Client::ListBackends(v1::View view) const {
  v1::ListBackendsRequest request;
  request.set_view(view);
  return AllPages([this] { return Deadline(); }, connection_->inspector(), &Inspector::ListBackends,
                  std::move(request));
}

absl::StatusOr<v1::ListRegionsResponse> Client::ListRegions(const std::string& parent, v1::View view) const {
  v1::ListRegionsRequest request;
  request.set_parent(parent);
  request.set_view(view);
  return AllPages([this] { return Deadline(); }, connection_->inspector(), &Inspector::ListRegions,
                  std::move(request));
}

absl::StatusOr<v1::ListMappingsResponse> Client::ListMappings(const std::string& parent,
                                                              const std::string& filter,
                                                              const std::string& order_by) const {
  v1::ListMappingsRequest request;
  request.set_parent(parent);
  request.set_filter(filter);
  request.set_order_by(order_by);
  return AllPages([this] { return Deadline(); }, connection_->inspector(), &Inspector::ListMappings,
                  std::move(request));
}

absl::StatusOr<v1::ListFindingsResponse> Client::ListFindings(const std::string& parent,
                                                              bool include_closed) const {
  v1::ListFindingsRequest request;
  request.set_parent(parent);
  request.set_include_closed(include_closed);
  return AllPages([this] { return Deadline(); }, connection_->inspector(), &Inspector::ListFindings,
                  std::move(request));
}

absl::StatusOr<v1::ListEventsResponse> Client::ListEvents(const v1::ListEventsRequest& request) const {
  return AllPages([this] { return Deadline(); }, connection_->inspector(), &Inspector::ListEvents, request);
}

absl::Status Client::ForEachMapping(const v1::ListMappingsRequest& request,
                                    const std::function<bool(v1::Mapping&)>& visit) const {
  return EachPage<Inspector, v1::ListMappingsRequest, v1::ListMappingsResponse>(
      [this] { return Deadline(); }, connection_->inspector(), &Inspector::ListMappings, request,
      [&visit](v1::ListMappingsResponse& page) { return VisitAll(*page.mutable_mappings(), visit); });
}

absl::Status Client::ForEachEvent(const v1::ListEventsRequest& request,
                                  const std::function<bool(v1::Event&)>& visit) const {
  return EachPage<Inspector, v1::ListEventsRequest, v1::ListEventsResponse>(
      [this] { return Deadline(); }, connection_->inspector(), &Inspector::ListEvents, request,
      [&visit](v1::ListEventsResponse& page) { return VisitAll(*page.mutable_events(), visit); });
}

absl::StatusOr<v1::Backend> Client::GetBackend(const std::string& name, v1::View view) const {
  v1::GetBackendRequest request;
  request.set_name(name);
  request.set_view(view);
  return Ask(Deadline(), connection_->inspector(), &Inspector::GetBackend, request);
}

absl::StatusOr<v1::Region> Client::GetRegion(const std::string& name, v1::View view) const {
  v1::GetRegionRequest request;
  request.set_name(name);
  request.set_view(view);
  return Ask(Deadline(), connection_->inspector(), &Inspector::GetRegion, request);
}

absl::StatusOr<v1::GetRegionLayoutResponse> Client::GetRegionLayout(const std::string& name,
                                                                    int max_extents) const {
  v1::GetRegionLayoutRequest request;
  request.set_name(name);
  request.set_max_extents(max_extents);
  return Ask(Deadline(), connection_->inspector(), &Inspector::GetRegionLayout, request);
}

absl::StatusOr<v1::LookupMappingResponse> Client::LookupMapping(const std::string& region,
                                                                int64_t shm_offset_bytes) const {
  v1::LookupMappingRequest request;
  request.set_name(region);
  request.set_shm_offset_bytes(shm_offset_bytes);
  return Ask(Deadline(), connection_->inspector(), &Inspector::LookupMapping, request);
}

absl::StatusOr<v1::Backend> Client::AttachBackend(const v1::AttachBackendRequest& request) const {
  return Ask(Deadline(), connection_->admin(), &Admin::AttachBackend, request);
}

absl::StatusOr<v1::DetachBackendResponse> Client::DetachBackend(const std::string& name,
                                                                bool end_sessions) const {
  v1::DetachBackendRequest request;
  request.set_name(name);
  request.set_end_sessions(end_sessions);
  return Ask(Deadline(), connection_->admin(), &Admin::DetachBackend, request);
}

absl::StatusOr<v1::Backend> Client::RefreshBackend(const std::string& name) const {
  v1::RefreshBackendRequest request;
  request.set_name(name);
  return Ask(Deadline(), connection_->admin(), &Admin::RefreshBackend, request);
}

absl::StatusOr<v1::ProbeReport> Client::ProbeBackend(const std::string& socket) const {
  v1::ProbeBackendRequest request;
  request.set_socket(socket);
  return Ask(Deadline(), connection_->admin(), &Admin::ProbeBackend, request);
}

absl::StatusOr<v1::ResetRegionPeaksResponse> Client::ResetRegionPeaks(const std::string& name) const {
  v1::ResetRegionPeaksRequest request;
  request.set_name(name);
  return Ask(Deadline(), connection_->admin(), &Admin::ResetRegionPeaks, request);
}

absl::StatusOr<Client::Health> Client::CheckHealth(const std::string& service) const {
  constexpr std::array<const char*, 4> kNames = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  constexpr int kServing = 1;
  grpc::ClientContext context;
  context.set_deadline(Deadline());
  const grpc::ByteBuffer request = HealthRequest(service);
  grpc::ByteBuffer response;
  // Shared: the thread that answers may still be in set_value when this one has the answer.
  const auto answered = std::make_shared<std::promise<grpc::Status>>();
  grpc::GenericStub stub(connection_->channel());
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [answered](grpc::Status status) { answered->set_value(std::move(status)); });
  const grpc::Status status = answered->get_future().get();
  if (!status.ok()) return FromRpc(status);
  const int code = HealthStatus(response);
  const bool known = code >= 0 && static_cast<size_t>(code) < kNames.size();
  return Health{.serving = code == kServing, .status = known ? kNames[static_cast<size_t>(code)] : "UNKNOWN"};
}

}  // namespace shmemd::client
