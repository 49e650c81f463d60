// Findings as text. Pure functions.
#pragma once

#include <string>

#include "client/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl findings`.
std::string RenderFindings(const ::vhost::shmem::v1::ListFindingsResponse& findings, const PrintStyle& style);

}  // namespace shmemd::client
