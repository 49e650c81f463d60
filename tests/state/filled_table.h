// A region with mappings that are nothing but a place, for those who draw regions.
#pragma once

#include <cstdint>
#include <optional>

#include "server/state/region_table.h"

namespace shmemd::state {

struct FilledTable {
  explicit FilledTable(std::optional<uint64_t> size) { table.SetSize(size); }
  void Map(uint64_t offset, uint64_t len, bool writable = true, int64_t file_bytes = int64_t{1} << 50,
           MappingState state = MappingState::kMapped) {
    Mapping mapping;
    mapping.shm_offset = offset;
    mapping.len = len;
    mapping.flags = writable ? kMapFlagReadWrite : 0;
    mapping.state = state;
    mapping.fd.kind = base::FdKind::kMemfd;
    mapping.fd.size_bytes = file_bytes;
    table.Insert(mapping);
  }

  BackingPool pool;
  RegionTable table{pool};
};

}  // namespace shmemd::state
