// Whether a call may be made: the one place where the caller's identity, its rate and the number of calls
// under way are judged, before any service sees the call.
//
// Owned by RoleServer, one a role. Any thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "server/api/call_rate.h"
#include "server/api/identity_list.h"
#include "server/api/limited_log.h"

namespace shmemd::api {

struct CallLimits {
  int64_t max_calls_per_second = 10'000;  // of one caller
  int64_t max_open_calls = 4096;          // of all callers, streams among them
};

class CallGate {
 public:
  // `setting` names where `identities` come from. `log` outlives the gate.
  CallGate(std::string setting, IdentityList identities, CallLimits limits, LimitedLog& log)
      : setting_(std::move(setting)),
        identities_(std::move(identities)),
        limits_(limits),
        rate_(limits.max_calls_per_second),
        log_(log) {}

  // OK, or PERMISSION_DENIED (IDENTITY_NOT_ALLOWED) or RESOURCE_EXHAUSTED (RATE_LIMITED, TOO_MANY_CALLS).
  // Once a call. Who came over TLS is judged by its certificate; who came without was let in when it
  // connected.
  grpc::Status Admit(const grpc::ServerContextBase& context);

  // Calls under way; counted by who sees them begin and end.
  std::atomic<int64_t>& open_calls() { return open_calls_; }

 private:
  struct Caller {
    bool tls = false;
    std::string name;  // what its rate is counted by, and what the log calls it
    std::vector<Identity> identities;
  };
  static Caller CallerOf(const grpc::ServerContextBase& context);
  grpc::Status Judge(const Caller& caller);

  const std::string setting_;
  const IdentityList identities_;
  const CallLimits limits_;
  CallRate rate_;
  LimitedLog& log_;
  std::atomic<int64_t> open_calls_{0};
};

}  // namespace shmemd::api
