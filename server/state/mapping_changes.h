// What one event does to the settled mappings of its back-end, so that whoever keeps a copy of them can be
// told without being told all of them.
//
// Pure: works on the Backend that it is given, on its owner's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/state/backend.h"
#include "server/state/event.h"
#include "server/state/mapping.h"

namespace shmemd::state {

struct MappingChanges {
  // Of all regions of the back-end; nothing else is listed then.
  bool all_removed = false;
  bool all_stale = false;  // and no unmap waits for its answer any more
  // More than kMaxMappingChanges: the lists are empty, and only a look at the table tells.
  bool too_many = false;
  std::vector<Mapping> put;       // new, or not as they were
  std::vector<uint64_t> removed;  // offsets, in the region of the event; before `put`

  bool operator==(const MappingChanges&) const = default;
};

// An acknowledged map over a thousand others is one event of a hostile peer.
inline constexpr size_t kMaxMappingChanges = 256;

// Applies the event and says what it did. Costs O(log n) beside Apply, as long as the event touches one
// mapping.
MappingChanges ApplyAndCompare(Backend& backend, const Event& event);

}  // namespace shmemd::state
