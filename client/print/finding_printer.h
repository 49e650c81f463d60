// Findings as text. Pure functions.
#pragma once

#include <string>

#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// The table of `shmemctl findings`. `with_closed`: there may be closed ones among them, so each says whether
// it is open.
std::string RenderFindings(const ::vhost::shmem::v1::ListFindingsResponse& findings, const PrintStyle& style,
                           bool with_closed);

}  // namespace shmemd::client
