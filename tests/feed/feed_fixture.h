// One mover and one hub, and how to compare what each knows.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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

// What differs first, in words: a failed comparison has to say more than that two objects are not the same.
inline std::string Difference(const std::vector<Picture>& a, const std::vector<Picture>& b) {
  if (a.size() != b.size())
    return "numbers of back-ends: " + std::to_string(a.size()) + ", " + std::to_string(b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const std::string who = a[i].id + ": ";
    if (a[i].id != b[i].id || a[i].uid != b[i].uid) return who + "identity";
    if (a[i].status != b[i].status) return who + "status";
    if (a[i].regions != b[i].regions) return who + "region status";
    if (a[i].findings != b[i].findings) return who + "findings";
    for (size_t m = 0; m < std::min(a[i].mappings.size(), b[i].mappings.size()); ++m) {
      const state::Mapping& x = a[i].mappings[m];
      const state::Mapping& y = b[i].mappings[m];
      if (x != y) {
        return who + "mapping " + std::to_string(m) + ": " + std::to_string(x.shm_offset) + "+" +
               std::to_string(x.len) + " sequence " + std::to_string(x.sequence) + ", " +
               std::to_string(y.shm_offset) + "+" + std::to_string(y.len) + " sequence " +
               std::to_string(y.sequence);
      }
    }
    if (a[i].mappings.size() != b[i].mappings.size()) return who + "number of mappings";
    if (a[i].totals != b[i].totals) return who + "totals";
  }
  return "";
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
