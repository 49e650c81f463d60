// Which mappings of a region are shown where not all can be.
#pragma once

#include <cstddef>
#include <vector>

#include "server/state/region_table.h"

namespace shmemd::web {

// Beyond the end of its file, or STALE.
bool IsUnsafe(const state::Mapping& mapping);

// At most `max`, by offset: the first ones, but half of the places are kept for unsafe ones. Called with the
// replica locked; one pass at most.
std::vector<state::Mapping> ChooseMappings(const state::RegionTable& table, size_t max);

}  // namespace shmemd::web
