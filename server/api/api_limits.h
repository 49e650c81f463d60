// How much of the server its clients may use. What is beyond is refused; docs/access.md says how.
#pragma once

#include <chrono>
#include <cstddef>

#include "server/api/call_gate.h"

namespace shmemd::api {

struct ApiLimits {
  size_t max_connections = 1024;                    // of one listener
  int max_streams = 100;                            // calls at a time on one connection
  int max_message_bytes = 64 * 1024;                // of one request
  std::chrono::milliseconds handshake{10'000};      // until TLS and HTTP/2 are agreed on
  std::chrono::milliseconds max_idle{15 * 60'000};  // a connection without calls
  CallLimits calls;
};

}  // namespace shmemd::api
