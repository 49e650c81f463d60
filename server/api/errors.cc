#include "server/api/errors.h"

#include <absl/strings/str_cat.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace shmemd::api {

grpc::Status Error(grpc::StatusCode code, Reason reason, const std::string& message,
                   const ErrorMetadata& metadata) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(ReasonName(reason)));
  info.set_domain(std::string(kErrorDomain));
  for (const auto& [key, value] : metadata) (*info.mutable_metadata())[key] = value;
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(message);
  details.add_details()->PackFrom(info);
  return {code, message, details.SerializeAsString()};
}

grpc::Status BackendNotFound(const std::string& backend_id) {
  return Error(grpc::StatusCode::NOT_FOUND, Reason::kBackendNotFound,
               absl::StrCat("back-end ", backend_id, " is not attached"), {{"backend", backend_id}});
}

grpc::Status WithRetry(const grpc::Status& error, int64_t after_ns) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  google::rpc::Status details;
  details.ParseFromString(error.error_details());
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(after_ns / kNsPerSecond);
  retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(after_ns % kNsPerSecond));
  details.add_details()->PackFrom(retry);
  return {error.error_code(), error.error_message(), details.SerializeAsString()};
}

grpc::Status TooManyWatchers(size_t limit) {
  constexpr int64_t kRetryNs = 5'000'000'000;
  return WithRetry(Error(grpc::StatusCode::RESOURCE_EXHAUSTED, Reason::kTooManyWatchers,
                         absl::StrCat("expected at most ", limit, " streams of Watch at a time"),
                         {{"limit", absl::StrCat(limit)}}),
                   kRetryNs);
}

grpc::Status CancelledByClient() { return {grpc::StatusCode::CANCELLED, "the client cancelled the call"}; }

Reason ReasonOf(feed::CommandFailure failure) {
  switch (failure) {
    case feed::CommandFailure::kBackendNotFound:
      return Reason::kBackendNotFound;
    case feed::CommandFailure::kShmemNotNegotiated:
      return Reason::kShmemNotNegotiated;
    case feed::CommandFailure::kShmemConfigInvalid:
      return Reason::kShmemConfigInvalid;
    case feed::CommandFailure::kBackendUnreachable:
      return Reason::kBackendUnreachable;
    case feed::CommandFailure::kQueryNotAllowed:
      return Reason::kQueryNotAllowed;
    case feed::CommandFailure::kBackendBusy:
      return Reason::kBackendBusy;
    case feed::CommandFailure::kTooManyCommands:
      return Reason::kTooManyCommands;
    case feed::CommandFailure::kNone:
    case feed::CommandFailure::kShuttingDown:
      return Reason::kShuttingDown;
    case feed::CommandFailure::kRegionNotFound:
      return Reason::kRegionNotFound;
    case feed::CommandFailure::kAlreadyAttached:
      return Reason::kAlreadyAttached;
    case feed::CommandFailure::kBackendInvalid:
      return Reason::kBackendInvalid;
    case feed::CommandFailure::kTooManyBackends:
      return Reason::kTooManyBackends;
    case feed::CommandFailure::kListenFailed:
      return Reason::kListenFailed;
    case feed::CommandFailure::kStateNotSaved:
      return Reason::kStateNotSaved;
  }
  return Reason::kShuttingDown;
}

}  // namespace shmemd::api
