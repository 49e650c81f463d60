// Copies of what one item of an answer is made of. Taken while the replica is locked, turned into messages
// after: so no reader formats text or allocates messages while the hub waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/state/backend.h"

namespace shmemd::convert {

struct BackendRecord {
  state::BackendSpec spec;
  std::string uid;
  state::BackendStatus status;
  state::BackendTotals totals;
  std::vector<state::Finding> findings;  // open ones, by shmid and code
};

struct RegionRecord {
  std::string backend_id;
  state::RegionStatus status;
  state::RegionTotals totals;
  bool size_known = false;
  uint64_t free_bytes = 0;  // as the next two: meaningful if size_known
  uint64_t largest_hole_bytes = 0;
  uint64_t hole_count = 0;
  uint64_t page_size = 0;                // the host's, in bytes
  std::vector<state::Finding> findings;  // open ones about this region, by code
};

struct MappingRecord {
  std::string backend_id;
  state::Mapping mapping;
};

struct FindingRecord {
  std::string backend_id;
  state::Finding finding;
};

// At most `max_findings` findings come along; 0: none.
BackendRecord CopyBackend(const state::Backend& backend, size_t max_findings);
RegionRecord CopyRegion(const state::Backend& backend, const state::Region& region, size_t max_findings);

}  // namespace shmemd::convert
