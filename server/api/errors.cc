#include "server/api/errors.h"

#include <absl/strings/str_cat.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace shmemd::api {

grpc::Status Error(grpc::StatusCode code, std::string_view reason, const std::string& message,
                   const ErrorMetadata& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason.data(), reason.size());
  info.set_domain(kErrorDomain.data(), kErrorDomain.size());
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  details.add_details()->PackFrom(info);
  return {code, message, details.SerializeAsString()};
}

grpc::Status BackendNotFound(const std::string& backend_id) {
  return Error(grpc::StatusCode::NOT_FOUND, "BACKEND_NOT_FOUND",
               absl::StrCat("back-end ", backend_id, " is not attached"), {{"backend", backend_id}});
}

grpc::Status TooManyWatchers(size_t limit) {
  constexpr int kRetrySeconds = 5;
  const grpc::Status plain = Error(grpc::StatusCode::RESOURCE_EXHAUSTED, "TOO_MANY_WATCHERS",
                                   absl::StrCat("expected at most ", limit, " streams of Watch at a time"),
                                   {{"limit", absl::StrCat(limit)}});
  google::rpc::Status details;
  details.ParseFromString(plain.error_details());
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(kRetrySeconds);
  details.add_details()->PackFrom(retry);
  return {plain.error_code(), plain.error_message(), details.SerializeAsString()};
}

grpc::Status CancelledByClient() {
  return Error(grpc::StatusCode::CANCELLED, "CANCELLED_BY_CLIENT", "the client cancelled the call");
}

std::string_view CommandFailureReason(feed::CommandFailure failure) {
  switch (failure) {
    case feed::CommandFailure::kNone:
      return "";
    case feed::CommandFailure::kBackendNotFound:
      return "BACKEND_NOT_FOUND";
    case feed::CommandFailure::kShmemNotNegotiated:
      return "SHMEM_NOT_NEGOTIATED";
    case feed::CommandFailure::kShmemConfigInvalid:
      return "SHMEM_CONFIG_INVALID";
    case feed::CommandFailure::kBackendUnreachable:
      return "BACKEND_UNREACHABLE";
    case feed::CommandFailure::kQueryNotAllowed:
      return "QUERY_NOT_ALLOWED";
    case feed::CommandFailure::kBackendBusy:
      return "BACKEND_BUSY";
    case feed::CommandFailure::kTooManyCommands:
      return "TOO_MANY_COMMANDS";
    case feed::CommandFailure::kShuttingDown:
      return "SHUTTING_DOWN";
    case feed::CommandFailure::kRegionNotFound:
      return "REGION_NOT_FOUND";
    case feed::CommandFailure::kAlreadyAttached:
      return "ALREADY_ATTACHED";
    case feed::CommandFailure::kBackendInvalid:
      return "BACKEND_INVALID";
    case feed::CommandFailure::kTooManyBackends:
      return "TOO_MANY_BACKENDS";
    case feed::CommandFailure::kListenFailed:
      return "LISTEN_FAILED";
    case feed::CommandFailure::kStateNotSaved:
      return "STATE_NOT_SAVED";
  }
  return "";
}

}  // namespace shmemd::api
