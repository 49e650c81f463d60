// What a doctor looks at: one shmemd as it was answered, and what is wrong there beside what shmemd itself
// found. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// All that one shmemd said within one look.
struct ServerView {
  ::vhost::shmem::v1::GetServerInfoResponse info;
  std::string health;  // of grpc.health.v1, "SERVING"
  ::vhost::shmem::v1::ListBackendsResponse backends;
  ::vhost::shmem::v1::ListRegionsResponse regions;
  ::vhost::shmem::v1::ListFindingsResponse findings;  // the open ones
};

// One question with its answer. Subject and name are a contract: CI systems tell checks apart by them.
struct DoctorCheck {
  std::string subject;  // "server", or a back-end: "backends/gpu0"
  std::string name;     // "state"
  std::string what;     // what is asked: "the back-end is up"
  // What is wrong; empty: nothing. Findings of shmemd's own, and those that only a doctor makes:
  // SERVER_UNREACHABLE, SERVER_NOT_SERVING, SERVER_NOT_SYNCED, VERSION_SKEW, BACKEND_NOT_UP,
  // SESSION_UNOBSERVED, REGION_FULL, REGION_NEARLY_FULL, REGION_FRAGMENTED, REGION_AT_RISK, REGION_STALE,
  // REGION_NOT_EXPOSED.
  std::vector<::vhost::shmem::v1::Finding> problems = {};
};

// Checks about the server first, then those of each back-end by id. Their number depends on the back-ends
// alone. `client_version`: of the program that asks.
std::vector<DoctorCheck> Diagnose(const ServerView& view, const std::string& client_version);
// All that can be checked of a server that did not answer: that it did not, and why.
std::vector<DoctorCheck> DiagnoseUnreachable(const std::string& why);

// All problems, the worst first; equal ones in the order of the checks.
std::vector<::vhost::shmem::v1::Finding> WorstFirst(const std::vector<DoctorCheck>& checks);

}  // namespace shmemd::client
