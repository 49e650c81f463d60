// The names that the API gives to what it shows. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace shmemd::convert {

// "backends/gpu0"
std::string BackendName(std::string_view backend_id);
// "backends/gpu0/regions/2"
std::string RegionName(std::string_view backend_id, uint8_t shmid);
// "backends/gpu0/regions/2/mappings/0x10000"; `shm_offset` in bytes.
std::string MappingName(std::string_view backend_id, uint8_t shmid, uint64_t shm_offset);

}  // namespace shmemd::convert
