// Regions and mappings as messages. What is not known stays unset; what is known is set, also when it is
// zero.
#pragma once

#include "server/convert/record.h"
#include "vhost/shmem/v1/region.pb.h"

namespace shmemd::convert {

namespace v1 = ::vhost::shmem::v1;

v1::Region ToProto(const RegionRecord& record);
v1::Mapping ToProto(const MappingRecord& record);
v1::Backing ToProto(const base::FdFacts& fd);

}  // namespace shmemd::convert
