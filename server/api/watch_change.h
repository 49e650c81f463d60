// Entries of the event log as the messages of a Watch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/convert/record.h"
#include "server/feed/replica.h"
#include "server/state/event_log.h"
#include "vhost/shmem/v1/watch.pb.h"

namespace shmemd::api {

namespace v1 = ::vhost::shmem::v1;

// An entry, with what it touched as it is now.
struct ChangeRecord {
  state::LogEntry entry;
  std::vector<convert::BackendRecord> backend;  // at most one
  std::vector<convert::RegionRecord> regions;
  std::vector<uint8_t> removed_regions;
};

// At most `limit` entries after `revision`. Of several that touch the same thing only the last brings it
// along. Called with the replica locked.
std::vector<ChangeRecord> CopyChanges(const feed::ReplicaView& view, uint64_t revision, size_t limit);

v1::Change ToProto(const ChangeRecord& record);

// `body` with revision and token.
void Number(uint64_t epoch, uint64_t revision, v1::WatchResponse& response);

}  // namespace shmemd::api
