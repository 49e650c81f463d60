#include "server/api/snapshot_slice.h"

#include <limits>

#include "server/convert/backend.h"
#include "server/convert/region.h"

namespace shmemd::api {
namespace {

// Fills a slice item by item; each step returns false when the slice is full.
class Copier {
 public:
  Copier(const Scope& scope, const std::optional<SnapshotPlace>& after, size_t limit, SnapshotSlice& slice)
      : scope_(scope), after_(after), limit_(limit), slice_(slice) {}

  bool Take(const state::Backend& backend) {
    const std::string& id = backend.spec().id;
    const bool continues = after_ && after_->backend_id == id;
    if (!continues) {
      if (Full()) return false;
      slice_.backends.push_back(convert::CopyBackend(backend, 0));
      slice_.last = SnapshotPlace{id, -1, std::nullopt};
    }
    const int first = continues ? after_->shmid : -1;
    for (const auto& [shmid, region] : backend.regions()) {
      if (scope_.shmid && *scope_.shmid != shmid) continue;
      if (shmid < first || !region.listed()) continue;
      if (!Take(backend, region, continues && shmid == first)) return false;
    }
    return true;
  }

 private:
  bool Full() {
    slice_.more = slice_.size() >= limit_;
    return slice_.more;
  }

  bool Take(const state::Backend& backend, const state::Region& region, bool continues) {
    const std::string& id = backend.spec().id;
    const uint8_t shmid = region.status.shmid;
    if (!continues) {
      if (Full()) return false;
      slice_.regions.push_back(convert::CopyRegion(backend, region, 0));
      slice_.last = SnapshotPlace{id, shmid, std::nullopt};
    }
    uint64_t from = 0;
    if (continues && after_->shm_offset) {
      if (*after_->shm_offset == std::numeric_limits<uint64_t>::max()) return true;
      from = *after_->shm_offset + 1;
    }
    bool room = true;
    region.table.ForEach(from, [&](const state::Mapping& mapping) {
      room = !Full();
      if (!room) return false;
      slice_.mappings.push_back({id, mapping});
      slice_.last = SnapshotPlace{id, shmid, mapping.shm_offset};
      return true;
    });
    return room;
  }

  const Scope& scope_;
  const std::optional<SnapshotPlace>& after_;
  const size_t limit_;
  SnapshotSlice& slice_;
};

}  // namespace

SnapshotSlice CopySnapshot(const feed::ReplicaView& view, const Scope& scope,
                           const std::optional<SnapshotPlace>& after, size_t limit) {
  SnapshotSlice slice;
  slice.revision = view.revision;
  slice.epoch = view.events.epoch();
  Copier copier(scope, after, limit, slice);
  if (scope.backend_id) {
    const state::Backend* backend = view.Find(*scope.backend_id);
    if (backend != nullptr) copier.Take(*backend);
    return slice;
  }
  auto it = after ? view.backends.lower_bound(after->backend_id) : view.backends.begin();
  while (it != view.backends.end() && copier.Take(*it->second)) ++it;
  return slice;
}

v1::Snapshot ToProto(const SnapshotSlice& slice) {
  v1::Snapshot out;
  for (const convert::BackendRecord& record : slice.backends) *out.add_backends() = convert::ToProto(record);
  for (const convert::RegionRecord& record : slice.regions) *out.add_regions() = convert::ToProto(record);
  for (const convert::MappingRecord& record : slice.mappings) *out.add_mappings() = convert::ToProto(record);
  return out;
}

}  // namespace shmemd::api
