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

// In rising order of urgency.
enum class Weight : uint8_t { kNone, kNotice, kWarning, kError };

// DISCONNECTED or FAILED, or still not connected for a reason that is known.
bool IsDown(state::BackendState state);
// The most urgent of what is known of it without looking at its mappings.
Weight WeightOf(const state::Backend& backend);
Weight WeightOf(const state::Backend& backend, const state::Region& region);

// How much room is left in a region.
enum class Fullness : uint8_t { kRoom, kNearlyFull, kFull };
Fullness FullnessOf(const RegionView& region);
// Maps go on and nothing, or nearly nothing, is unmapped.
bool OnlyGrows(const RegionView& region);
Weight WeightOf(state::Severity severity);

struct Concern {
  Weight weight = Weight::kNone;
  std::string backend_id;  // empty: shmemd itself
  std::optional<uint8_t> shmid;
  std::string what;  // one sentence
};

// By weight, then in the order of the overview. Findings that are only worth knowing are left out.
std::vector<Concern> ConcernsOf(const Overview& overview);

}  // namespace shmemd::web
