#include "server/session/memory_echo.h"

#include <bitset>
#include <vector>

#include "server/vhost/protocol.h"

namespace shmemd::session {
namespace {

using state::EvidenceKey;
using state::FindingCode;
using state::InMemoryTable;
using state::Mapping;
using state::MappingState;

state::MappingEchoed Echo(const Mapping& mapping, const MemoryTable::Region& shown) {
  return {mapping.shm_offset, shown.file_size_bytes, mapping.shmid, InMemoryTable::kYes};
}

bool Identified(const Mapping& mapping) { return mapping.fd.inode != 0; }

// False, and nothing is visited, if there are too many.
template <typename Visit>
bool ForEachMapping(const state::Backend& table, Visit visit) {
  uint64_t count = 0;
  for (const auto& [shmid, region] : table.regions()) count += region.table.totals().mapping_count;
  if (count > MemoryEcho::kMostMappings) return false;
  for (const auto& [shmid, region] : table.regions()) {
    region.table.ForEach(0, [&](const Mapping& mapping) {
      visit(mapping);
      return true;
    });
  }
  return true;
}

}  // namespace

bool MemoryEcho::TableSet(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds,
                          const EventWriter& events) {
  if (!table_.Replace(payload, fds)) return false;
  Compare(Scope::kAll, nullptr, events);
  CountRegions(events);
  return true;
}

bool MemoryEcho::RegionAdded(std::span<const uint8_t> payload, std::span<const base::FdFacts> fds,
                             const EventWriter& events) {
  if (!table_.Add(payload, fds)) return false;
  const MemoryTable::Region* added = table_.newest();
  if (added != nullptr) Compare(Scope::kShownOnly, added, events);
  return true;
}

bool MemoryEcho::RegionRemoved(std::span<const uint8_t> payload, const EventWriter& events) {
  MemoryTable::Region removed;
  if (!table_.Remove(payload, &removed)) return false;
  if (removed.inode != 0) Compare(Scope::kGoneOnly, &removed, events);
  return true;
}

void MemoryEcho::DeviceStarted(const EventWriter& events) {
  if (table_.piecewise()) Compare(Scope::kShownOnly, nullptr, events);
}

void MemoryEcho::Mapped(const state::MapRequest& request, const EventWriter& events) {
  Mapping mapping;
  mapping.fd = request.fd;
  mapping.fd_offset = request.fd_offset;
  mapping.shm_offset = request.shm_offset;
  mapping.shmid = request.shmid;
  if (const MemoryTable::Region* shown = table_.Showing(mapping)) {
    events.Publish(Echo(mapping, *shown));
    if (other_regions_ > 0) --other_regions_;
  }
  if (!table_.known() || configure_mem_slots_ || !events.Guards(FindingCode::kMemoryTableFull)) return;
  const uint64_t used = other_regions_ + events.table().Totals().mapping_count;
  if (used <= vhost::kMaxMemoryRegions) return;
  events.Raise(FindingCode::kMemoryTableFull,
               {{{EvidenceKey::kGot, used}, {EvidenceKey::kLimit, vhost::kMaxMemoryRegions}}});
}

// Collects first and publishes then: each event changes the table that is walked here.
void MemoryEcho::Compare(Scope scope, const MemoryTable::Region* about, const EventWriter& events) {
  std::vector<state::MappingEchoed> changes;
  bool gone_while_stale = false;
  const bool denies = table_.complete();
  ForEachMapping(events.table(), [&](const Mapping& mapping) {
    if (!Identified(mapping) || (about != nullptr && !about->Shows(mapping))) return;
    const bool stale = mapping.state == MappingState::kStale;
    const bool shown_before = mapping.in_memory_table == InMemoryTable::kYes;
    const MemoryTable::Region* shown = table_.Showing(mapping);
    if (scope != Scope::kGoneOnly && shown != nullptr) {
      // Whoever owns the file may have cut it off behind the mapping.
      const bool other_size = shown->file_size_bytes >= 0 && shown->file_size_bytes != mapping.fd.size_bytes;
      if (stale || !shown_before || other_size) changes.push_back(Echo(mapping, *shown));
      return;
    }
    if (scope == Scope::kShownOnly || !denies) return;
    if (scope == Scope::kGoneOnly && (!shown_before || shown != nullptr)) return;
    if (stale && shown_before) gone_while_stale = true;
    if (mapping.in_memory_table != InMemoryTable::kNo)
      changes.push_back({mapping.shm_offset, -1, mapping.shmid, InMemoryTable::kNo});
  });
  for (const state::MappingEchoed& change : changes) events.Publish(change);
  if (!gone_while_stale || reset_suspected_) return;
  reset_suspected_ = true;
  events.Publish(state::DeviceReset{.suspected = true});
}

// What of the table is the guest's own memory, and whether everything fits again.
void MemoryEcho::CountRegions(const EventWriter& events) {
  const auto regions = table_.regions();
  std::bitset<MemoryTable::kMost> mappings;
  const bool compared = ForEachMapping(events.table(), [&](const Mapping& mapping) {
    for (size_t i = 0; i < regions.size(); ++i) {
      if (regions[i].Shows(mapping)) mappings.set(i);
    }
  });
  if (!compared) return;
  other_regions_ = regions.size() - mappings.count();
  const uint64_t used = other_regions_ + events.table().Totals().mapping_count;
  if (used <= vhost::kMaxMemoryRegions) events.Close(FindingCode::kMemoryTableFull);
}

}  // namespace shmemd::session
