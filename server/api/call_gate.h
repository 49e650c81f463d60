// Whether a call may be made: the one place where the caller's identity, its rate and the number of calls
// under way are judged, before any service sees the call.
//
// Owned by RoleServer, one a role. Any thread.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "server/api/call_rate.h"
#include "server/api/identity_list.h"
#include "server/api/limited_log.h"
#include "server/api/open_calls.h"

namespace shmemd::api {

struct CallLimits {
  int64_t max_calls_per_second = 10'000;  // of one caller
  int64_t max_open_calls = 4096;          // of all callers, streams among them
  int max_streams = 100;                  // of one connection
};

class CallGate {
 public:
  // `setting` names where `identities` come from. `log` outlives the gate.
  CallGate(std::string setting, IdentityList identities, CallLimits limits, LimitedLog& log)
      : setting_(std::move(setting)),
        identities_(std::move(identities)),
        limits_(limits),
        rate_(limits.max_calls_per_second),
        open_(limits.max_open_calls),
        log_(log) {}

  // A caller is a TLS client by its first name, or its address if it has none; without TLS it is a
  // connection. OK, or PERMISSION_DENIED (IDENTITY_NOT_ALLOWED) or RESOURCE_EXHAUSTED (RATE_LIMITED,
  // TOO_MANY_CALLS); UNAVAILABLE (SHUTTING_DOWN) once the open calls are closed. Once a call. Who came over
  // TLS is judged by its certificate; who came without was let in when it connected.
  grpc::Status Admit(grpc::ServerContextBase& context);

  // Counted by who sees them begin and end.
  OpenCalls& open_calls() { return open_; }

 private:
  struct Caller {
    bool tls = false;
    std::string name;      // for the log
    std::string rate_key;  // what its rate is counted by
    std::vector<Identity> identities;
  };
  static Caller CallerOf(const grpc::ServerContextBase& context, OpenCalls::Connection connection);
  grpc::Status Judge(const Caller& caller, OpenCalls::Connection connection);
  grpc::Status JudgeRoom(OpenCalls::Connection connection) const;

  const std::string setting_;
  const IdentityList identities_;
  const CallLimits limits_;
  CallRate rate_;
  OpenCalls open_;
  LimitedLog& log_;
};

}  // namespace shmemd::api
