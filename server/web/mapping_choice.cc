#include "server/web/mapping_choice.h"

#include <algorithm>
#include <iterator>

namespace shmemd::web {

bool IsUnsafe(const state::Mapping& mapping) {
  return mapping.state == state::MappingState::kStale || mapping.beyond_eof_bytes() > 0;
}

std::vector<state::Mapping> ChooseMappings(const state::RegionTable& table, size_t max) {
  std::vector<state::Mapping> safe;
  std::vector<state::Mapping> unsafe;
  const bool any_unsafe = table.totals().at_risk_bytes > 0;
  table.ForEach(0, [&](const state::Mapping& mapping) {
    std::vector<state::Mapping>& group = IsUnsafe(mapping) ? unsafe : safe;
    if (group.size() < max) group.push_back(mapping);
    return safe.size() < max || (any_unsafe && unsafe.size() < max);
  });
  const size_t without_safe = max - std::min(max, safe.size());
  unsafe.resize(std::min(unsafe.size(), std::max(max - max / 2, without_safe)));
  safe.resize(std::min(safe.size(), max - unsafe.size()));
  std::vector<state::Mapping> out;
  out.reserve(safe.size() + unsafe.size());
  std::merge(safe.begin(), safe.end(), unsafe.begin(), unsafe.end(), std::back_inserter(out),
             [](const state::Mapping& a, const state::Mapping& b) { return a.shm_offset < b.shm_offset; });
  return out;
}

}  // namespace shmemd::web
