// Requests, mappings and events for the tests of the model.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "server/state/backend.h"

namespace shmemd::state {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint32_t kSealShrink = 2;

// A sealed memfd of 1 GiB: nothing about it is odd.
inline base::FdFacts GoodFd() {
  base::FdFacts fd;
  fd.device = 1;
  fd.inode = 100;
  fd.size_bytes = int64_t{1} << 30;
  fd.seals = kSealShrink;
  fd.seals_known = true;
  fd.kind = base::FdKind::kMemfd;
  fd.access = base::FdAccess::kReadWrite;
  return fd;
}

inline MapRequest MapOf(uint8_t shmid, uint64_t shm_offset, uint64_t len) {
  MapRequest request;
  request.shmid = shmid;
  request.shm_offset = shm_offset;
  request.len = len;
  request.flags = kMapFlagReadWrite;
  request.fd = GoodFd();
  request.fd_count = 1;
  request.need_reply = true;
  return request;
}

inline UnmapRequest UnmapOf(uint8_t shmid, uint64_t shm_offset, uint64_t len) {
  UnmapRequest request;
  request.shmid = shmid;
  request.shm_offset = shm_offset;
  request.len = len;
  request.need_reply = true;
  return request;
}

inline Mapping MappingAt(uint64_t shm_offset, uint64_t len) {
  Mapping mapping;
  mapping.shm_offset = shm_offset;
  mapping.len = len;
  mapping.flags = kMapFlagReadWrite;
  mapping.fd = GoodFd();
  mapping.ack_latency_ns = 1000;
  return mapping;
}

inline std::vector<Mapping> MappingsOf(const RegionTable& table) {
  std::vector<Mapping> mappings;
  table.ForEach(0, [&](const Mapping& mapping) {
    mappings.push_back(mapping);
    return true;
  });
  return mappings;
}

// A back-end, and the one who numbers its events.
class BackendUnderTest {
 public:
  explicit BackendUnderTest(Mode mode = Mode::kFrontend)
      : backend(BackendHandle{1}, BackendSpec{"fs0", "/run/fs0.sock", mode, Origin::kConfig}, "uid", 1,
                kPage) {}

  Event Apply(const EventBody& body) {
    Event event;
    event.backend = backend.handle();
    event.sequence = ++sequence;
    event.wall_time_ns = static_cast<int64_t>(1'000'000 + sequence);
    event.body = body;
    backend.Apply(event);
    return event;
  }
  void Report(uint8_t shmid, uint64_t size_bytes) { Apply(RegionReported{size_bytes, shmid, Exposed::kYes}); }
  // Request and answer. latency -1: nobody was asked to answer.
  void Map(const MapRequest& request, int64_t latency_ns = 1000) {
    Apply(MapRequested{request});
    Apply(MapSettled{request, latency_ns, 0, RequestFailure::kNone});
  }
  void Unmap(const UnmapRequest& request) {
    Apply(UnmapRequested{request});
    Apply(UnmapSettled{request, 1000, 0, RequestFailure::kNone});
  }
  void FailMap(const MapRequest& request, RequestFailure failure, int32_t error_number) {
    Apply(MapRequested{request});
    Apply(MapSettled{request, 1000, error_number, failure});
  }
  void FailUnmap(const UnmapRequest& request, RequestFailure failure, int32_t error_number) {
    Apply(UnmapRequested{request});
    Apply(UnmapSettled{request, 1000, error_number, failure});
  }
  // nullptr: never raised.
  const Finding* Find(FindingCode code, int16_t shmid) const {
    const auto found = backend.findings().find({shmid, code});
    return found == backend.findings().end() ? nullptr : &found->second;
  }
  bool IsOpen(FindingCode code, int16_t shmid) const {
    const Finding* finding = Find(code, shmid);
    return finding != nullptr && finding->open;
  }
  const Region& region(uint8_t shmid) const { return *backend.FindRegion(shmid); }

  Backend backend;
  uint64_t sequence = 0;
};

// All that can be seen of a back-end.
struct Picture {
  BackendStatus status;
  std::vector<RegionStatus> regions;
  std::vector<RegionTotals> totals;
  std::vector<uint64_t> holes;  // free, largest, count of each region
  std::vector<Mapping> mappings;
  std::vector<Finding> findings;

  bool operator==(const Picture&) const = default;
};

inline Picture PictureOf(const Backend& backend) {
  Picture picture;
  picture.status = backend.status();
  for (const auto& [shmid, region] : backend.regions()) {
    picture.regions.push_back(region.status);
    picture.totals.push_back(region.table.totals());
    for (const uint64_t number :
         {region.table.free_bytes(), region.table.largest_hole_bytes(), region.table.hole_count()}) {
      picture.holes.push_back(number);
    }
    const std::vector<Mapping> mappings = MappingsOf(region.table);
    picture.mappings.insert(picture.mappings.end(), mappings.begin(), mappings.end());
  }
  for (const auto& [key, finding] : backend.findings()) picture.findings.push_back(finding);
  return picture;
}

}  // namespace shmemd::state
