// Findings as messages.
#pragma once

#include <string_view>

#include "server/convert/record.h"
#include "server/state/server_finding.h"
#include "vhost/shmem/v1/finding.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

v1::Finding ToProto(std::string_view backend_id, const state::Finding& finding);
v1::Finding ToProto(const FindingRecord& record);
// Its resource is "server".
v1::Finding ToProto(const state::ServerFinding& finding);

}  // namespace shmemd::convert
