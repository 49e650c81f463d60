// Findings as messages.
#pragma once

#include <string_view>

#include "server/convert/record.h"
#include "vhost/shmem/v1/finding.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

v1::Finding ToProto(std::string_view backend_id, const state::Finding& finding);
v1::Finding ToProto(const FindingRecord& record);

}  // namespace shmemd::convert
