#include "tests/client/fake_shmemd.h"

#include <absl/strings/str_cat.h>
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace shmemd::client {
namespace {

grpc::Status NotFound(const std::string& name, const std::string& reason) {
  return ErrorWithReason(grpc::StatusCode::NOT_FOUND, name + " is not there", reason);
}

// Whether a name lies below a parent in which "-" stands for anything.
bool IsBelow(const std::string& name, const std::string& parent) {
  if (parent.empty() || parent == "backends/-") return true;
  return name == parent || name.starts_with(parent + "/");
}

}  // namespace

grpc::Status ErrorWithReason(grpc::StatusCode code, const std::string& message, const std::string& reason,
                             const std::map<std::string, std::string>& metadata) {
  google::rpc::ErrorInfo info;
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  info.set_reason(reason);
  info.set_domain("shmem.vhost");
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  return {code, message, status.SerializeAsString()};
}

class FakeShmemd::Inspector final : public v1::ShmemInspector::Service {
 public:
  explicit Inspector(const CannedData* data) : data_(data) {}
  int call_count() const { return calls_; }
  const std::string& asked_mappings() const { return asked_mappings_; }
  const v1::ListEventsRequest& asked_events() const { return asked_events_; }

  grpc::Status GetServerInfo(grpc::ServerContext* context, const v1::GetServerInfoRequest*,
                             v1::GetServerInfoResponse* response) override {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    response->set_version("9.8.7");
    return grpc::Status::OK;
  }

  grpc::Status ListBackends(grpc::ServerContext* context, const v1::ListBackendsRequest* request,
                            v1::ListBackendsResponse* response) override {
    return Page(context, *request, data_->backends, "", response, response->mutable_backends(),
                [](const v1::Backend& item) { return item.name(); });
  }

  grpc::Status GetBackend(grpc::ServerContext* context, const v1::GetBackendRequest* request,
                          v1::Backend* response) override {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    for (const v1::Backend& backend : data_->backends) {
      if (backend.name() != request->name()) continue;
      *response = backend;
      return grpc::Status::OK;
    }
    return NotFound(request->name(), "BACKEND_NOT_FOUND");
  }

  grpc::Status ListRegions(grpc::ServerContext* context, const v1::ListRegionsRequest* request,
                           v1::ListRegionsResponse* response) override {
    return Page(context, *request, data_->regions, request->parent(), response, response->mutable_regions(),
                [](const v1::Region& item) { return item.name(); });
  }

  grpc::Status GetRegion(grpc::ServerContext* context, const v1::GetRegionRequest* request,
                         v1::Region* response) override {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    for (const v1::Region& region : data_->regions) {
      if (region.name() != request->name()) continue;
      *response = region;
      return grpc::Status::OK;
    }
    return NotFound(request->name(), "REGION_UNUSED");
  }

  grpc::Status GetRegionLayout(grpc::ServerContext* context, const v1::GetRegionLayoutRequest* request,
                               v1::GetRegionLayoutResponse* response) override {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    for (const v1::GetRegionLayoutResponse& layout : data_->layouts) {
      if (layout.region().name() != request->name()) continue;
      *response = layout;
      return grpc::Status::OK;
    }
    return NotFound(request->name(), "REGION_UNUSED");
  }

  grpc::Status ListMappings(grpc::ServerContext* context, const v1::ListMappingsRequest* request,
                            v1::ListMappingsResponse* response) override {
    asked_mappings_ = absl::StrCat(request->filter(), "|", request->order_by());
    return Page(context, *request, data_->mappings, request->parent(), response, response->mutable_mappings(),
                [](const v1::Mapping& item) { return item.name(); });
  }

  grpc::Status LookupMapping(grpc::ServerContext* context, const v1::LookupMappingRequest* request,
                             v1::LookupMappingResponse* response) override {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    for (const v1::Mapping& mapping : data_->mappings) {
      const int64_t into = request->shm_offset_bytes() - mapping.shm_offset_bytes();
      if (!mapping.name().starts_with(request->name() + "/") || into < 0 || into >= mapping.length_bytes())
        continue;
      *response->mutable_mapping() = mapping;
      response->set_fd_offset_bytes(mapping.fd_offset_bytes() + into);
      response->set_remaining_bytes(mapping.length_bytes() - into);
      return grpc::Status::OK;
    }
    return NotFound(request->name(), "MAPPING_NOT_FOUND");
  }

  grpc::Status ListEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request,
                          v1::ListEventsResponse* response) override {
    asked_events_ = *request;
    return Page(context, *request, data_->events, "", response, response->mutable_events(),
                [](const v1::Event& item) { return item.backend(); });
  }

  grpc::Status ListFindings(grpc::ServerContext* context, const v1::ListFindingsRequest* request,
                            v1::ListFindingsResponse* response) override {
    return Page(context, *request, data_->findings, request->parent(), response, response->mutable_findings(),
                [](const v1::Finding& item) { return item.resource(); });
  }

 private:
  // False: the caller went away while the silent server kept it waiting.
  bool Begin(grpc::ServerContext* context) {
    ++calls_;
    while (data_->silent && !context->IsCancelled())
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return !context->IsCancelled();
  }

  template <typename Request, typename Item, typename Response, typename Items, typename NameOf>
  grpc::Status Page(grpc::ServerContext* context, const Request& request, const std::vector<Item>& all,
                    const std::string& parent, Response* response, Items* items, NameOf name_of) {
    if (!Begin(context)) return grpc::Status::CANCELLED;
    const bool known = parent.empty() || parent == "backends/-" || IsKnown(parent);
    if (!known) return NotFound(parent, "BACKEND_NOT_FOUND");
    const size_t begin =
        request.page_token().empty() || data_->endless ? 0 : std::stoul(request.page_token());
    for (size_t i = begin; i < all.size(); ++i) {
      if (items->size() == data_->max_page) {
        response->set_next_page_token(data_->endless ? "again" : std::to_string(i));
        break;
      }
      if (IsBelow(name_of(all[i]), parent)) *items->Add() = all[i];
    }
    return grpc::Status::OK;
  }

  bool IsKnown(const std::string& parent) const {
    for (const v1::Backend& backend : data_->backends) {
      if (IsBelow(parent, backend.name())) return true;
    }
    return false;
  }

  const CannedData* data_;
  std::atomic<int> calls_ = 0;
  std::string asked_mappings_;
  v1::ListEventsRequest asked_events_;
};

class FakeShmemd::Admin final : public v1::ShmemAdmin::Service {
 public:
  explicit Admin(const CannedData* data) : data_(data) {}
  const std::string& asked() const { return asked_; }

  grpc::Status AttachBackend(grpc::ServerContext*, const v1::AttachBackendRequest* request,
                             v1::Backend* response) override {
    *response = request->backend();
    response->set_name("backends/" + request->backend_id());
    response->set_state(v1::Backend::CONNECTING);
    return Answer(*request);
  }

  grpc::Status DetachBackend(grpc::ServerContext*, const v1::DetachBackendRequest* request,
                             v1::DetachBackendResponse* response) override {
    *response = data_->detached;
    return Answer(*request);
  }

  grpc::Status RefreshBackend(grpc::ServerContext*, const v1::RefreshBackendRequest* request,
                              v1::Backend* response) override {
    for (const v1::Backend& backend : data_->backends) {
      if (backend.name() == request->name()) *response = backend;
    }
    const grpc::Status status = Answer(*request);
    return !status.ok() || !response->name().empty() ? status
                                                     : NotFound(request->name(), "BACKEND_NOT_FOUND");
  }

  grpc::Status ProbeBackend(grpc::ServerContext*, const v1::ProbeBackendRequest* request,
                            v1::ProbeReport* response) override {
    response->set_failure("probed " + request->socket());
    return Answer(*request);
  }

  grpc::Status ResetRegionPeaks(grpc::ServerContext*, const v1::ResetRegionPeaksRequest* request,
                                v1::ResetRegionPeaksResponse* response) override {
    for (const v1::Region& region : data_->regions) {
      if (IsBelow(region.name(), request->name())) *response->add_regions() = region;
    }
    return Answer(*request);
  }

 private:
  grpc::Status Answer(const google::protobuf::Message& request) {
    asked_ = request.ShortDebugString();
    return data_->admin;
  }

  const CannedData* data_;
  std::string asked_;
};

class FakeShmemd::Health final : public grpc::health::v1::Health::Service {
 public:
  explicit Health(const CannedData* data) : data_(data) {}

  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest*,
                     grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(data_->serving ? grpc::health::v1::HealthCheckResponse::SERVING
                                        : grpc::health::v1::HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  }

 private:
  const CannedData* data_;
};

FakeShmemd::FakeShmemd(CannedData data, std::shared_ptr<grpc::ServerCredentials> credentials)
    : data_(std::move(data)) {
  std::string folder = "/tmp/shmemctl-test.XXXXXX";
  EXPECT_NE(::mkdtemp(folder.data()), nullptr);
  folder_ = folder;
  path_ = folder_ + "/api.sock";
  inspector_ = std::make_unique<Inspector>(&data_);
  admin_ = std::make_unique<Admin>(&data_);
  health_ = std::make_unique<Health>(&data_);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(endpoint(), grpc::InsecureServerCredentials());
  if (credentials != nullptr) builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
  builder.RegisterService(inspector_.get());
  builder.RegisterService(admin_.get());
  builder.RegisterService(health_.get());
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

FakeShmemd::~FakeShmemd() {
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  ::unlink(path_.c_str());
  ::rmdir(folder_.c_str());
}

int FakeShmemd::call_count() const { return inspector_->call_count(); }

std::string FakeShmemd::asked_mappings() const { return inspector_->asked_mappings(); }

v1::ListEventsRequest FakeShmemd::asked_events() const { return inspector_->asked_events(); }

std::string FakeShmemd::asked_admin() const { return admin_->asked(); }

}  // namespace shmemd::client
