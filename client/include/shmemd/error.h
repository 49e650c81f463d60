// What an error of shmemd says besides code and message. Pure functions, any thread.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>

namespace shmemd::client {

// google.rpc.ErrorInfo as shmemd fills it in.
struct ErrorInfo {
  std::string reason;  // "REGION_UNUSED"; one of those that the services' comments name
  std::string domain;  // "shmem.vhost"
  std::map<std::string, std::string> metadata;
};

// The same code and message; each detail of the error comes along as a payload under its type URL.
absl::Status FromRpc(const grpc::Status& status);

// Empty fields where the error came without one: not from shmemd itself, but from gRPC on the way to it.
ErrorInfo ErrorInfoOf(const absl::Status& status);

// The reason of the ErrorInfo; empty without one.
std::string ErrorReason(const absl::Status& status);

// How long the server asks to wait before the next try; nullopt: it does not say.
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status);

}  // namespace shmemd::client
