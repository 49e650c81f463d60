#include "server/api/admin_service.h"

#include <absl/status/statusor.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <optional>

#include "server/api/command_call.h"
#include "server/api/errors.h"
#include "server/api/page.h"
#include "server/api/resource_name.h"
#include "server/base/socket_path.h"
#include "server/convert/backend.h"
#include "server/convert/probe_report.h"

namespace shmemd::api {
namespace {

grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext* context, const grpc::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

grpc::StatusCode CodeOf(feed::CommandFailure failure, grpc::StatusCode busy) {
  switch (failure) {
    case feed::CommandFailure::kNone:
      return grpc::StatusCode::OK;
    case feed::CommandFailure::kBackendNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case feed::CommandFailure::kShmemNotNegotiated:
    case feed::CommandFailure::kShmemConfigInvalid:
    case feed::CommandFailure::kQueryNotAllowed:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case feed::CommandFailure::kBackendUnreachable:
    case feed::CommandFailure::kShuttingDown:
      return grpc::StatusCode::UNAVAILABLE;
    case feed::CommandFailure::kBackendBusy:
      return busy;
    case feed::CommandFailure::kTooManyCommands:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
  }
  return grpc::StatusCode::UNKNOWN;
}

// `busy` is the code for BACKEND_BUSY, on which the calls differ.
grpc::Status StatusOf(const feed::CommandResult& result, grpc::StatusCode busy,
                      const ErrorMetadata& metadata) {
  if (result.failure == feed::CommandFailure::kNone) return grpc::Status::OK;
  const Reason reason = ReasonOf(result.failure);
  const std::string message = result.message.empty() ? std::string(ReasonName(reason)) : result.message;
  return Error(CodeOf(result.failure, busy), reason, message, metadata);
}

grpc::Status ShowBackend(const ReplicaReader& reader, const std::string& id, v1::Backend& response) {
  std::optional<convert::BackendRecord> record;
  reader([&](const feed::ReplicaView& view) {
    const state::Backend* backend = view.Find(id);
    if (backend != nullptr) record = convert::CopyBackend(*backend, kMaxFindingsOfItem);
  });
  if (!record) return BackendNotFound(id);
  response = convert::ToProto(*record);
  return grpc::Status::OK;
}

// Empty: the path may be tried.
std::string WhyNoSocketPath(const std::string& path) {
  if (path.size() > base::kMaxSocketPathBytes) {
    return absl::StrCat("socket: expected at most ", base::kMaxSocketPathBytes, " bytes, got ", path.size());
  }
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    return absl::StrCat("socket: expected an absolute path, got \"", absl::CHexEscape(path), "\"");
  }
  return {};
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::RefreshBackend(grpc::CallbackServerContext* context,
                                                       const v1::RefreshBackendRequest* request,
                                                       v1::Backend* response) {
  const absl::StatusOr<std::string> id = ParseBackendName(request->name());
  if (!id.ok()) {
    return Finished(context, Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kResourceNameInvalid,
                                   std::string(id.status().message())));
  }
  return CommandCall::Start(
      *context, router_, feed::RefreshCommand{*id},
      [reader = reader_, id = *id, response](const feed::CommandResult& result) {
        grpc::Status status = StatusOf(result, grpc::StatusCode::ABORTED, {{"backend", id}});
        return status.ok() ? ShowBackend(reader, id, *response) : status;
      });
}

grpc::ServerUnaryReactor* AdminService::ProbeBackend(grpc::CallbackServerContext* context,
                                                     const v1::ProbeBackendRequest* request,
                                                     v1::ProbeReport* response) {
  const std::string& socket = request->socket();
  if (const std::string why = WhyNoSocketPath(socket); !why.empty()) {
    return Finished(context, Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kSocketPathInvalid, why));
  }
  return CommandCall::Start(
      *context, router_, feed::ProbeCommand{socket}, [socket, response](const feed::CommandResult& result) {
        grpc::Status status = StatusOf(result, grpc::StatusCode::FAILED_PRECONDITION, {{"socket", socket}});
        if (status.ok() && result.report) *response = convert::ToProto(*result.report);
        return status;
      });
}

grpc::ServerUnaryReactor* AdminRefusal::RefreshBackend(grpc::CallbackServerContext* context,
                                                       const v1::RefreshBackendRequest*, v1::Backend*) {
  return Refuse(context, "RefreshBackend");
}

grpc::ServerUnaryReactor* AdminRefusal::ProbeBackend(grpc::CallbackServerContext* context,
                                                     const v1::ProbeBackendRequest*, v1::ProbeReport*) {
  return Refuse(context, "ProbeBackend");
}

grpc::ServerUnaryReactor* AdminRefusal::Refuse(grpc::CallbackServerContext* context,
                                               const char* method) const {
  return Finished(context, Error(grpc::StatusCode::PERMISSION_DENIED, Reason::kAdminRoleRequired,
                                 absl::StrCat(method, " is served on the admin socket only: ", admin_socket_),
                                 {{"admin_socket", admin_socket_}}));
}

}  // namespace shmemd::api
