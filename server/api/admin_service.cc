#include "server/api/admin_service.h"

#include <absl/status/statusor.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include <optional>
#include <utility>
#include <vector>

#include "server/api/command_call.h"
#include "server/api/errors.h"
#include "server/api/page.h"
#include "server/api/resource_name.h"
#include "server/base/socket_path.h"
#include "server/convert/backend.h"
#include "server/convert/backend_spec.h"
#include "server/convert/probe_report.h"
#include "server/convert/region.h"

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
    case feed::CommandFailure::kRegionNotFound:
      return grpc::StatusCode::NOT_FOUND;
    case feed::CommandFailure::kShmemNotNegotiated:
    case feed::CommandFailure::kShmemConfigInvalid:
    case feed::CommandFailure::kQueryNotAllowed:
    case feed::CommandFailure::kListenFailed:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case feed::CommandFailure::kAlreadyAttached:
      return grpc::StatusCode::ALREADY_EXISTS;
    case feed::CommandFailure::kBackendInvalid:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case feed::CommandFailure::kBackendUnreachable:
    case feed::CommandFailure::kStateNotSaved:
    case feed::CommandFailure::kShuttingDown:
      return grpc::StatusCode::UNAVAILABLE;
    case feed::CommandFailure::kBackendBusy:
      return busy;
    case feed::CommandFailure::kTooManyBackends:
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

grpc::Status ShowRegions(const ReplicaReader& reader, const feed::ResetPeaksCommand& command,
                         v1::ResetRegionPeaksResponse& response) {
  bool found = false;
  std::vector<convert::RegionRecord> records;
  reader([&](const feed::ReplicaView& view) {
    const state::Backend* backend = view.Find(command.backend_id);
    found = backend != nullptr;
    if (!found) return;
    for (const auto& [shmid, region] : backend->regions()) {
      if (region.listed() && command.shmid.value_or(shmid) == shmid)
        records.push_back(convert::CopyRegion(*backend, region, 0));
    }
  });
  if (!found) return BackendNotFound(command.backend_id);
  for (const convert::RegionRecord& record : records) *response.add_regions() = convert::ToProto(record);
  return grpc::Status::OK;
}

// As the specification would be shown if it were attached now.
void ShowSpec(const state::BackendSpec& spec, v1::Backend& response) {
  const state::Backend backend({}, spec, "", 0, 1);
  response = convert::ToProto(convert::CopyBackend(backend, 0));
  response.clear_create_time();
  response.clear_update_time();
}

// The field of the request that a field of the specification came from.
std::string RequestField(const std::string& field) {
  return field == "id" ? "backend_id" : absl::StrCat("backend.", field);
}

// What a client sent goes back to it with 128 bytes at most: clients take 8 KiB of error.
std::string Shown(const std::string& text) {
  constexpr size_t kMostBytes = 128;
  if (text.size() <= kMostBytes) return absl::CHexEscape(text);
  return absl::StrCat(absl::CHexEscape(text.substr(0, kMostBytes)), "...");
}

grpc::Status BackendInvalid(const std::string& id, const std::string& field, const std::string& wrong) {
  return Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kBackendInvalid,
               absl::StrCat("back-end ", Shown(id), ": ", wrong), {{"field", field}});
}

grpc::Status AttachStatus(const feed::CommandResult& result, const std::string& id) {
  if (result.failure == feed::CommandFailure::kBackendInvalid)
    return BackendInvalid(id, RequestField(result.field), result.message);
  return StatusOf(result, grpc::StatusCode::FAILED_PRECONDITION, {{"backend", id}});
}

grpc::Status NameInvalid(const absl::Status& status) {
  return Error(grpc::StatusCode::INVALID_ARGUMENT, Reason::kResourceNameInvalid,
               std::string(status.message()));
}

// Empty: the path may be tried.
std::string WhyNoSocketPath(const std::string& path) {
  if (path.size() > base::kMaxSocketPathBytes) {
    return absl::StrCat("socket: expected at most ", base::kMaxSocketPathBytes, " bytes, got ", path.size());
  }
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    return absl::StrCat("socket: expected an absolute path, got \"", Shown(path), "\"");
  }
  return {};
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::AttachBackend(grpc::CallbackServerContext* context,
                                                      const v1::AttachBackendRequest* request,
                                                      v1::Backend* response) {
  if (roster_ == nullptr) return v1::ShmemAdmin::CallbackService::AttachBackend(context, request, response);
  const std::string& id = request->backend_id();
  const std::string& name = request->backend().name();
  if (!name.empty() && name != absl::StrCat("backends/", id)) {
    return Finished(context, BackendInvalid(id, "backend.name",
                                            absl::StrCat("name: expected nothing or that of backend_id, got ",
                                                         Shown(name))));
  }
  convert::SpecReading reading = convert::ReadSpec(request->backend(), roster_->relay_defaults());
  if (!reading.field.empty()) {
    return Finished(context, BackendInvalid(id, RequestField(reading.field),
                                            absl::StrCat(reading.field, ": ", reading.wrong)));
  }
  if (!state::IsValidBackendId(id)) {
    return Finished(context, BackendInvalid(id, "backend_id",
                                            "expected an id of lower-case letters, digits, '-' and '.', at "
                                            "most 63 characters"));
  }
  reading.spec.id = id;
  const bool validate_only = request->validate_only();
  return CommandCall::Start(
      *context,
      [&](int64_t deadline_ns, feed::Control::Completion done) {
        roster_->Attach(reading.spec, validate_only, deadline_ns, std::move(done));
      },
      [reader = reader_, spec = reading.spec, validate_only, response](const feed::CommandResult& result) {
        grpc::Status status = AttachStatus(result, spec.id);
        if (!status.ok()) return status;
        const grpc::Status shown = ShowBackend(reader, spec.id, *response);
        if (!shown.ok() && validate_only) ShowSpec(spec, *response);
        return validate_only ? grpc::Status::OK : shown;
      });
}

grpc::ServerUnaryReactor* AdminService::DetachBackend(grpc::CallbackServerContext* context,
                                                      const v1::DetachBackendRequest* request,
                                                      v1::DetachBackendResponse* response) {
  if (roster_ == nullptr) return v1::ShmemAdmin::CallbackService::DetachBackend(context, request, response);
  const absl::StatusOr<std::string> id = ParseBackendName(request->name());
  if (!id.ok()) return Finished(context, NameInvalid(id.status()));
  return CommandCall::Start(
      *context,
      [&](int64_t deadline_ns, feed::Control::Completion done) {
        roster_->Detach(*id, request->end_sessions(), deadline_ns, std::move(done));
      },
      [reader = reader_, id = *id, response](const feed::CommandResult& result) {
        grpc::Status status = StatusOf(result, grpc::StatusCode::ABORTED, {{"backend", id}});
        v1::Backend left;
        if (status.ok() && ShowBackend(reader, id, left).ok() && left.state() == v1::Backend::DETACHING)
          *response->mutable_backend() = std::move(left);
        return status;
      });
}

grpc::ServerUnaryReactor* AdminService::ResetRegionPeaks(grpc::CallbackServerContext* context,
                                                         const v1::ResetRegionPeaksRequest* request,
                                                         v1::ResetRegionPeaksResponse* response) {
  feed::ResetPeaksCommand command;
  if (const auto region = ParseRegionName(request->name()); region.ok()) {
    command = {region->backend_id, region->shmid};
  } else if (const auto id = ParseBackendName(request->name()); id.ok()) {
    command.backend_id = *id;
  } else {
    return Finished(context, NameInvalid(region.status()));
  }
  return CommandCall::Start(
      *context, router_, command, [reader = reader_, command, response](const feed::CommandResult& result) {
        const grpc::Status status =
            StatusOf(result, grpc::StatusCode::ABORTED, {{"backend", command.backend_id}});
        return status.ok() ? ShowRegions(reader, command, *response) : status;
      });
}

grpc::ServerUnaryReactor* AdminService::RefreshBackend(grpc::CallbackServerContext* context,
                                                       const v1::RefreshBackendRequest* request,
                                                       v1::Backend* response) {
  const absl::StatusOr<std::string> id = ParseBackendName(request->name());
  if (!id.ok()) return Finished(context, NameInvalid(id.status()));
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

grpc::ServerUnaryReactor* AdminRefusal::AttachBackend(grpc::CallbackServerContext* context,
                                                      const v1::AttachBackendRequest*, v1::Backend*) {
  return Refuse(context, "AttachBackend");
}

grpc::ServerUnaryReactor* AdminRefusal::DetachBackend(grpc::CallbackServerContext* context,
                                                      const v1::DetachBackendRequest*,
                                                      v1::DetachBackendResponse*) {
  return Refuse(context, "DetachBackend");
}

grpc::ServerUnaryReactor* AdminRefusal::ResetRegionPeaks(grpc::CallbackServerContext* context,
                                                         const v1::ResetRegionPeaksRequest*,
                                                         v1::ResetRegionPeaksResponse*) {
  return Refuse(context, "ResetRegionPeaks");
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
