#include "server/convert/resource_names.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/string_view.h>

namespace shmemd::convert {

std::string BackendName(std::string_view backend_id) {
  return absl::StrCat("backends/", absl::string_view(backend_id.data(), backend_id.size()));
}

std::string RegionName(std::string_view backend_id, uint8_t shmid) {
  return absl::StrCat(BackendName(backend_id), "/regions/", shmid);
}

std::string MappingName(std::string_view backend_id, uint8_t shmid, uint64_t shm_offset) {
  return absl::StrCat(RegionName(backend_id, shmid), "/mappings/0x", absl::Hex(shm_offset));
}

}  // namespace shmemd::convert
