#include "server/state/mapping_changes.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>

namespace shmemd::state {
namespace {

// A stretch of one region that an event may change.
struct Stretch {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint8_t shmid = 0;
};

Stretch StretchOf(uint8_t shmid, uint64_t begin, uint64_t len) {
  constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();
  return {begin, len > kLast - begin ? kLast : begin + len, shmid};
}

std::optional<Stretch> TouchedBy(const EventBody& body) {
  if (const auto* map = std::get_if<MapSettled>(&body)) {
    if (map->failure != RequestFailure::kNone || map->error_number != 0) return std::nullopt;
    return StretchOf(map->request.shmid, map->request.shm_offset, map->request.len);
  }
  if (const auto* unmap = std::get_if<UnmapSettled>(&body)) {
    const UnmapRequest& request = unmap->request;
    // One that failed waits no more, and that is all.
    if (unmap->failure != RequestFailure::kNone || unmap->error_number != 0)
      return StretchOf(request.shmid, request.shm_offset, 1);
    return StretchOf(request.shmid, request.shm_offset, std::max<uint64_t>(request.len, 1));
  }
  if (const auto* unmap = std::get_if<UnmapRequested>(&body)) {
    return StretchOf(unmap->request.shmid, unmap->request.shm_offset, 1);
  }
  if (const auto* echo = std::get_if<MappingEchoed>(&body)) {
    return StretchOf(echo->shmid, echo->shm_offset, 1);
  }
  return std::nullopt;
}

bool ClearsAll(const Backend& backend, const EventBody& body) {
  if (const auto* reset = std::get_if<DeviceReset>(&body)) return !reset->suspected;
  if (std::holds_alternative<Disconnected>(body)) return backend.spec().mode != Mode::kRelay;
  return std::holds_alternative<Connected>(body) || std::holds_alternative<MappingsCleared>(body);
}

bool StalesAll(const Backend& backend, const EventBody& body) {
  if (std::holds_alternative<Disconnected>(body)) return backend.spec().mode == Mode::kRelay;
  return std::holds_alternative<MappingsStaled>(body);
}

bool HasMappings(const Backend& backend) {
  return std::any_of(backend.regions().begin(), backend.regions().end(),
                     [](const auto& entry) { return entry.second.table.totals().mapping_count > 0; });
}

// The mappings that share a byte with the stretch, one more than may be listed at most.
std::vector<Mapping> MappingsIn(const Backend& backend, const Stretch& stretch) {
  std::vector<Mapping> found;
  const Region* region = backend.FindRegion(stretch.shmid);
  if (region == nullptr) return found;
  const std::optional<Mapping> first = region->table.FindOverlap(stretch.begin, stretch.end - stretch.begin);
  if (!first) return found;
  region->table.ForEach(first->shm_offset, [&](const Mapping& mapping) {
    if (mapping.shm_offset >= stretch.end || found.size() > kMaxMappingChanges) return false;
    found.push_back(mapping);
    return true;
  });
  return found;
}

// Both by offset.
MappingChanges Compare(const std::vector<Mapping>& before, const std::vector<Mapping>& after) {
  MappingChanges changes;
  if (std::max(before.size(), after.size()) > kMaxMappingChanges) {
    changes.too_many = true;
    return changes;
  }
  auto old = before.begin();
  for (const Mapping& mapping : after) {
    for (; old != before.end() && old->shm_offset < mapping.shm_offset; ++old) {
      changes.removed.push_back(old->shm_offset);
    }
    const bool same_place = old != before.end() && old->shm_offset == mapping.shm_offset;
    if (!same_place || *old != mapping) changes.put.push_back(mapping);
    if (same_place) ++old;
  }
  for (; old != before.end(); ++old) changes.removed.push_back(old->shm_offset);
  return changes;
}

}  // namespace

MappingChanges ApplyAndCompare(Backend& backend, const Event& event) {
  MappingChanges changes;
  std::optional<Stretch> stretch = TouchedBy(event.body);
  if (!stretch) {
    const bool any = HasMappings(backend);
    changes.all_removed = any && ClearsAll(backend, event.body);
    changes.all_stale = any && StalesAll(backend, event.body);
    backend.Apply(event);
    return changes;
  }
  const std::vector<Mapping> before = MappingsIn(backend, *stretch);
  if (!before.empty()) {
    // What is cut may leave pieces on both sides.
    stretch->begin = std::min(stretch->begin, before.front().shm_offset);
    const Mapping& last = before.back();
    stretch->end = std::max(stretch->end, StretchOf(0, last.shm_offset, last.len).end);
  }
  backend.Apply(event);
  return Compare(before, MappingsIn(backend, *stretch));
}

}  // namespace shmemd::state
