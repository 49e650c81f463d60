// Errors of calls: what scripts get (an exit code) and what people get (one line).
#pragma once

#include <absl/status/status.h>

#include <string>

#include "client/shmemctl/chosen_endpoint.h"

namespace shmemd::shmemctl {

// The contract with scripts.
enum class ExitCode : int {
  kOk = 0,
  kGeneric = 1,
  kUsage = 2,
  kUnreachable = 3,
  kNotFound = 4,
  kUnhealthy = 5,
  kFindings = 6,
  kTimeout = 7,
};

// Unavailable 3, NotFound 4, DeadlineExceeded 7, InvalidArgument 2, else 1. OK is 0.
ExitCode ExitCodeOf(const absl::Status& status);

// One line: what happened, the reason, at which endpoint, and what helps where the socket or the role is why.
std::string DescribeError(const absl::Status& status, const ChosenEndpoint& endpoint);

}  // namespace shmemd::shmemctl
