// What an operator should look at first: back-ends that are gone, bytes that are unsafe to touch, regions
// that are full or only ever grow, findings. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/state/backend.h"

namespace shmemd::web {

struct Overview;
struct RegionView;

// Successes among the last events that are kept.
struct Lately {
  uint64_t maps = 0;
  uint64_t unmaps = 0;
};

// In rising order of urgency.
enum class Weight : uint8_t { kNone, kNotice, kWarning, kError };

// DISCONNECTED or FAILED.
bool IsDown(state::BackendState state);
// Whether what is shown of its mappings is what is there: not in mode probe, not without a session, not of a
// conversation that is passed on without being understood.
bool IsFollowed(state::Mode mode, const state::BackendStatus& status);
// Of the state of a back-end alone; of a region with its findings, without a look at single mappings.
Weight WeightOf(const state::BackendStatus& status);
Weight WeightOf(const state::Backend& backend, const state::Region& region, const Lately& lately);

// How much room is left in a region: what is free or STALE, which a map replaces. kRoom where mappings are
// not followed.
enum class Fullness : uint8_t { kRoom, kNearlyFull, kFull };
Fullness FullnessOf(const RegionView& region);
// Maps go on and nothing, or nearly nothing, is unmapped.
bool OnlyGrows(const state::RequestCounters& counters, uint64_t mapping_count, const Lately& lately);
bool OnlyGrows(const RegionView& region);
Weight WeightOf(state::Severity severity);

struct Place {
  std::string backend_id;  // empty: shmemd itself
  std::optional<uint8_t> shmid;
};

struct Concern {
  Weight weight = Weight::kNone;
  std::string code;  // of a finding; else empty
  std::string what;  // one sentence; of a finding that was made in several places an example
  std::vector<Place> places;
};

// By weight; those without a code first, then in the order of the overview. A finding stands once for all
// places where it was made. Findings that are only worth knowing are left out.
std::vector<Concern> ConcernsOf(const Overview& overview);

}  // namespace shmemd::web
