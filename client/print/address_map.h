// The address space of one region as a picture: a row of cells from offset 0 to the end, wrapped into rows. A
// pure function. A cell in which anything is mapped shows it, however small: what matters most wins (at risk,
// rw, ro), and a cell of which less than half is mapped is drawn smaller.
#pragma once

#include <string>

#include "client/print/table.h"
#include "vhost/shmem/v1/inspector.pb.h"

namespace shmemd::client {

// `mappings` are listed below the picture; pass none to leave the list out. Terminal width 0 is taken as 80.
std::string RenderAddressMap(const ::vhost::shmem::v1::GetRegionLayoutResponse& layout,
                             const ::vhost::shmem::v1::ListMappingsResponse& mappings,
                             const PrintStyle& style);

}  // namespace shmemd::client
