// How a shmemd is, on one screen; and of many, a line each. Pure functions.
#pragma once

#include <absl/time/time.h>

#include <string>

#include "client/print/answered.h"
#include "client/print/diagnosis.h"
#include "client/print/table.h"

namespace shmemd::client {

// `endpoint`: as it was asked. `now`: by the clock of who asks. `client_version`: of the program that asks.
struct StatusOptions {
  std::string endpoint;
  std::string client_version;
  absl::Time now;
};

// What `shmemctl status` prints: who answers, counts, sums, and the few worst things.
std::string RenderStatus(const AnsweredList<ServerView>& views, const StatusOptions& options,
                         const PrintStyle& style);

// {"server": as GetServerInfo, "health", "backendStates": {"ACTIVE": 2}, "totals": as Backend.totals,
//  "openFindings": {"ERROR": 0, "WARNING": 1, "INFO": 2}, "problems": as openFindings, but of all that a
//  doctor finds, "worst": [the worst few of them, as ListFindings has them]}
std::string StatusToJson(const ServerView& view, const StatusOptions& options);

// "3d 4h", "4h 12m", "12m", "40s".
std::string FormatAge(absl::Duration age);

}  // namespace shmemd::client
