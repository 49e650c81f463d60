// One plain HTTP GET, for /metrics: no TLS, no redirects, no keep-alive. Blocks until the answer or the
// deadline.
#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <string>

namespace shmemd::shmemctl {

// The body of http://ADDRESS/PATH. ADDRESS is "host:port" or "[::1]:18044". InvalidArgument for an address
// of another form, Unavailable where nobody answers, DeadlineExceeded, and Internal for an answer that is not
// 200 or no HTTP. At most 256 MiB are read.
absl::StatusOr<std::string> HttpGet(const std::string& address, const std::string& path,
                                    std::chrono::milliseconds timeout);

}  // namespace shmemd::shmemctl
