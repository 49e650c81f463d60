// Errors as the API gives them: a canonical code, words for people, and a google.rpc.ErrorInfo for programs.
#pragma once

#include <grpcpp/support/status.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "server/api/error_reason.h"
#include "server/feed/control.h"

namespace shmemd::api {

inline constexpr std::string_view kErrorDomain = "shmem.vhost";

using ErrorMetadata = std::map<std::string, std::string>;

// Travels as google.rpc.Status in the trailer grpc-status-details-bin.
grpc::Status Error(grpc::StatusCode code, Reason reason, const std::string& message,
                   const ErrorMetadata& metadata = {});

// The same error with a google.rpc.RetryInfo: when to try again.
grpc::Status WithRetry(const grpc::Status& error, int64_t after_ns);

grpc::Status BackendNotFound(const std::string& backend_id);
// Nobody reads it.
grpc::Status CancelledByClient();
// With a google.rpc.RetryInfo.
grpc::Status TooManyWatchers(size_t limit);

// Of a command that failed.
Reason ReasonOf(feed::CommandFailure failure);

}  // namespace shmemd::api
