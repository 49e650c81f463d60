// One mover and one hub, and how to compare what each knows.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "server/base/clock.h"
#include "server/feed/control.h"
#include "server/feed/hub.h"
#include "server/feed/publisher.h"
#include "server/feed/update_queue.h"

namespace shmemd::feed {

inline constexpr uint64_t kPage = 4096;

inline int64_t InSeconds(int64_t seconds) { return base::MonotonicNanos() + seconds * 1'000'000'000; }

inline state::BackendSpec Spec(std::string id) {
  state::BackendSpec spec;
  spec.id = std::move(id);
  spec.backend_socket = "/run/" + spec.id + ".sock";
  return spec;
}

inline state::MapSettled Mapped(uint8_t shmid, uint64_t shm_offset, uint64_t len) {
  state::MapSettled settled;
  settled.request.shmid = shmid;
  settled.request.shm_offset = shm_offset;
  settled.request.len = len;
  settled.request.flags = state::kMapFlagReadWrite;
  settled.request.fd_count = 1;
  settled.request.need_reply = true;
  settled.request.fd.kind = base::FdKind::kMemfd;
  settled.request.fd.inode = 7;
  settled.request.fd.size_bytes = int64_t{1} << 40;
  settled.ack_latency_ns = 1000;
  return settled;
}

inline state::UnmapSettled Unmapped(uint8_t shmid, uint64_t shm_offset, uint64_t len) {
  state::UnmapSettled settled;
  settled.request.shmid = shmid;
  settled.request.shm_offset = shm_offset;
  settled.request.len = len;
  settled.ack_latency_ns = 1000;
  return settled;
}

// Everything that can be seen of a back-end.
struct Picture {
  std::string id;
  std::string uid;
  state::BackendStatus status;
  std::vector<state::RegionStatus> regions;
  std::vector<state::RegionTotals> totals;
  std::vector<state::Mapping> mappings;
  std::vector<state::Finding> findings;

  bool operator==(const Picture&) const = default;
};

inline Picture PictureOf(const state::Backend& backend) {
  Picture picture{backend.spec().id, backend.uid(), backend.status(), {}, {}, {}, {}};
  for (const auto& [shmid, region] : backend.regions()) {
    picture.regions.push_back(region.status);
    picture.totals.push_back(region.table.totals());
    region.table.ForEach(0, [&](const state::Mapping& mapping) {
      picture.mappings.push_back(mapping);
      return true;
    });
  }
  for (const auto& [key, finding] : backend.findings()) picture.findings.push_back(finding);
  return picture;
}

inline std::vector<Picture> PicturesOf(const Hub& hub) {
  std::vector<Picture> pictures;
  hub.Read([&](const ReplicaView& view) {
    for (const auto& [id, backend] : view.backends) pictures.push_back(PictureOf(*backend));
  });
  return pictures;
}

// Waits until the hub has applied what is queued and lacks nothing; drives the resync as a mover's loop does.
inline bool CatchUp(Publisher& publisher, UpdateQueue& queue, const Hub& hub) {
  const int64_t deadline = InSeconds(30);
  while (base::MonotonicNanos() < deadline) {
    uint64_t revision = 0;
    bool synced = false;
    hub.Read([&](const ReplicaView& view) {
      revision = view.revision;
      synced = view.synced;
    });
    if (publisher.resync_pending()) {
      publisher.ResyncStep();
    } else if (synced && queue.room() == queue.capacity()) {
      return true;
    } else {
      hub.WaitForChange(revision, base::MonotonicNanos() + 1'000'000);
    }
  }
  return false;
}

}  // namespace shmemd::feed
