#include "server/api/watch_change.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "server/api/resume_token.h"
#include "server/convert/backend.h"
#include "server/convert/event.h"
#include "server/convert/region.h"
#include "server/convert/resource_names.h"
#include "server/convert/values.h"

namespace shmemd::api {
namespace {

enum class Touches : uint8_t { kNoRegion, kItsRegion, kAllRegions };

Touches TouchedBy(const state::LogEntry& entry) {
  if (entry.kind != state::LogKind::kEvent) return Touches::kNoRegion;
  const state::EventBody& body = entry.body;
  if (std::holds_alternative<state::FindingRaised>(body) ||
      std::holds_alternative<state::FindingClosed>(body))
    return Touches::kNoRegion;
  if (convert::ShmidOf(entry)) return Touches::kItsRegion;
  const bool all =
      std::holds_alternative<state::Connected>(body) || std::holds_alternative<state::Disconnected>(body) ||
      std::holds_alternative<state::MappingsStaled>(body) ||
      std::holds_alternative<state::MappingsCleared>(body) ||
      std::holds_alternative<state::PeaksReset>(body) || std::holds_alternative<state::DeviceReset>(body);
  return all ? Touches::kAllRegions : Touches::kNoRegion;
}

// What later entries bring along already, so that earlier ones need not.
class Seen {
 public:
  // Of an entry about the back-end, or about one region only. Whoever watches one region is not told of the
  // others, and must have the back-end from an entry that it is told of.
  bool FirstAbout(state::BackendHandle backend, std::optional<uint8_t> shmid) {
    if (backends_.count({backend, std::nullopt}) > 0) return false;
    return backends_.insert({backend, shmid}).second;
  }
  bool FirstOf(state::BackendHandle backend, uint8_t shmid) {
    return regions_.insert({backend, shmid}).second;
  }

 private:
  std::set<std::pair<state::BackendHandle, std::optional<uint8_t>>> backends_;
  std::set<std::pair<state::BackendHandle, uint8_t>> regions_;
};

void AddRegion(const state::Backend& backend, uint8_t shmid, ChangeRecord& record) {
  const state::Region* region = backend.FindRegion(shmid);
  if (region != nullptr && region->listed()) {
    record.regions.push_back(convert::CopyRegion(backend, *region, 0));
  } else {
    record.removed_regions.push_back(shmid);
  }
}

void AddTouched(const feed::ReplicaView& view, Seen& seen, ChangeRecord& record) {
  const state::LogEntry& entry = record.entry;
  const state::Backend* backend = view.Find(entry.backend_id);
  // Gone since, or another one under the same id: then entries tell that, too.
  if (backend == nullptr || backend->handle() != entry.backend) return;
  if (seen.FirstAbout(entry.backend, convert::ShmidOf(entry)))
    record.backend.push_back(convert::CopyBackend(*backend, 0));
  const Touches touches = TouchedBy(entry);
  if (touches == Touches::kItsRegion) {
    const uint8_t shmid = *convert::ShmidOf(entry);
    if (seen.FirstOf(entry.backend, shmid)) AddRegion(*backend, shmid, record);
  } else if (touches == Touches::kAllRegions) {
    for (const auto& [shmid, region] : backend->regions()) {
      if (seen.FirstOf(entry.backend, shmid)) AddRegion(*backend, shmid, record);
    }
  }
}

}  // namespace

std::vector<ChangeRecord> CopyChanges(const feed::ReplicaView& view, uint64_t revision, size_t limit) {
  std::vector<ChangeRecord> out;
  const size_t first = view.events.After(revision);
  const size_t end = std::min(view.events.size(), first + limit);
  out.reserve(end - first);
  for (size_t i = first; i < end; ++i) out.push_back({view.events.at(i), {}, {}, {}});
  Seen seen;
  for (auto record = out.rbegin(); record != out.rend(); ++record) AddTouched(view, seen, *record);
  return out;
}

v1::Change ToProto(const ChangeRecord& record) {
  v1::Change out;
  const state::LogEntry& entry = record.entry;
  *out.mutable_event() = convert::ToProto(entry);
  const state::MappingChanges& changes = entry.changes;
  out.set_all_mappings_removed(changes.all_removed);
  out.set_all_mappings_stale(changes.all_stale);
  const uint8_t shmid = convert::ShmidOf(entry).value_or(0);
  for (uint64_t offset : changes.removed) {
    out.add_removed_mappings(convert::MappingName(entry.backend_id, shmid, offset));
  }
  for (const state::Mapping& mapping : changes.put) {
    *out.add_mappings() = convert::ToProto(convert::MappingRecord{entry.backend_id, mapping});
  }
  for (uint8_t removed : record.removed_regions) {
    out.add_removed_regions(convert::RegionName(entry.backend_id, removed));
  }
  for (const convert::RegionRecord& region : record.regions) *out.add_regions() = convert::ToProto(region);
  for (const convert::BackendRecord& backend : record.backend)
    *out.mutable_backend() = convert::ToProto(backend);
  return out;
}

void Number(uint64_t epoch, uint64_t revision, v1::WatchResponse& response) {
  response.set_revision(convert::Saturated(revision));
  response.set_resume_token(EncodeResumeToken({0, epoch, revision}));
}

}  // namespace shmemd::api
