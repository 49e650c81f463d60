// The state in slices, for a copy that is made while things change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/api/resource_name.h"
#include "server/convert/record.h"
#include "server/feed/replica.h"
#include "vhost/shmem/v1/watch.pb.h"

namespace shmemd::api {

namespace v1 = ::vhost::shmem::v1;

// The last item that was sent: a back-end, a region or a mapping.
struct SnapshotPlace {
  std::string backend_id;
  int shmid = -1;                      // -1: the back-end itself
  std::optional<uint64_t> shm_offset;  // nullopt: the region itself
};

struct SnapshotSlice {
  std::vector<convert::BackendRecord> backends;
  std::vector<convert::RegionRecord> regions;
  std::vector<convert::MappingRecord> mappings;
  std::optional<SnapshotPlace> last;  // nullopt: the slice is empty
  bool more = false;
  uint64_t revision = 0;  // of which it is the state
  uint64_t epoch = 0;

  size_t size() const { return backends.size() + regions.size() + mappings.size(); }
};

// At most `limit` items behind `after`, in the order of v1::Snapshot. Called with the replica locked.
SnapshotSlice CopySnapshot(const feed::ReplicaView& view, const Scope& scope,
                           const std::optional<SnapshotPlace>& after, size_t limit);

v1::Snapshot ToProto(const SnapshotSlice& slice);

}  // namespace shmemd::api
