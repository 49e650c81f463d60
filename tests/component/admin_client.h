// ShmemAdmin of a running shmemd, as an orchestrator calls it, and what its errors say to programs.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "tests/component/shmemd_view.h"
#include "vhost/shmem/v1/admin.grpc.pb.h"

namespace shmemd::component {

using grpc::StatusCode;

// The ErrorInfo that came with a status.
inline google::rpc::ErrorInfo ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  if (details.ParseFromString(status.error_details()) && details.details_size() > 0)
    details.details(0).UnpackTo(&info);
  return info;
}

MATCHER_P2(IsError, code, reason, "") {
  *result_listener << "code " << arg.error_code() << ", " << ErrorInfoOf(arg).reason() << ": "
                   << arg.error_message();
  return arg.error_code() == code && ErrorInfoOf(arg).reason() == reason &&
         ErrorInfoOf(arg).domain() == "shmem.vhost";
}

MATCHER(IsOk, "") {
  *result_listener << "code " << arg.error_code() << ": " << arg.error_message();
  return arg.ok();
}

inline v1::AttachBackendRequest FrontendRequest(const std::string& id, const std::string& socket) {
  v1::AttachBackendRequest request;
  request.set_backend_id(id);
  request.mutable_backend()->set_mode(v1::Backend::FRONTEND);
  request.mutable_backend()->set_backend_socket(socket);
  return request;
}

inline v1::AttachBackendRequest RelayRequest(const std::string& id, const std::string& listen,
                                             const std::string& connect) {
  v1::AttachBackendRequest request = FrontendRequest(id, connect);
  request.mutable_backend()->set_mode(v1::Backend::RELAY);
  request.mutable_backend()->set_frontend_socket(listen);
  return request;
}

class AdminClient {
 public:
  explicit AdminClient(const app::ShmemdProcess& shmemd) : AdminClient(shmemd.admin_socket()) {}
  explicit AdminClient(const std::string& admin_socket) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::ShmemAdmin::NewStub(
        grpc::CreateCustomChannel("unix:" + admin_socket, grpc::InsecureChannelCredentials(), arguments));
  }

  grpc::Status Attach(const v1::AttachBackendRequest& request, v1::Backend* backend = nullptr) const {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::Backend ignored;
    return stub_->AttachBackend(&context, request, backend != nullptr ? backend : &ignored);
  }
  grpc::Status AttachFrontend(const std::string& id, const std::string& socket) const {
    return Attach(FrontendRequest(id, socket));
  }
  grpc::Status Detach(const std::string& id, bool end_sessions = false,
                      v1::DetachBackendResponse* response = nullptr) const {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::DetachBackendRequest request;
    request.set_name("backends/" + id);
    request.set_end_sessions(end_sessions);
    v1::DetachBackendResponse ignored;
    return stub_->DetachBackend(&context, request, response != nullptr ? response : &ignored);
  }
  grpc::Status ResetPeaks(const std::string& name, v1::ResetRegionPeaksResponse* response) const {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::ResetRegionPeaksRequest request;
    request.set_name(name);
    return stub_->ResetRegionPeaks(&context, request, response);
  }
  grpc::Status Refresh(const std::string& id) const {
    grpc::ClientContext context;
    SetDeadline(context);
    v1::RefreshBackendRequest request;
    request.set_name("backends/" + id);
    v1::Backend backend;
    return stub_->RefreshBackend(&context, request, &backend);
  }
  v1::ShmemAdmin::Stub& stub() const { return *stub_; }

  static void SetDeadline(grpc::ClientContext& context) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    context.set_wait_for_ready(true);
  }

 private:
  std::unique_ptr<v1::ShmemAdmin::Stub> stub_;
};

// Ids, in the order of lists.
inline std::vector<std::string> IdsOf(const ShmemdView& view) {
  std::vector<std::string> ids;
  for (const v1::Backend& backend : view.Backends())
    ids.push_back(backend.name().substr(std::string("backends/").size()));
  return ids;
}

// How many descriptors a process has.
inline size_t FdCountOf(pid_t pid) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    ++count;
  }
  return count;
}

}  // namespace shmemd::component
