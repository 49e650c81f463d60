// Random histories of a back-end.
#pragma once

#include <cstdint>
#include <random>

#include "tests/state/state_fixture.h"

namespace shmemd::state {

inline constexpr uint64_t kPages = 64;

// Events as a careless back-end behind a careless VMM would cause them.
class RandomEvents {
 public:
  explicit RandomEvents(uint32_t seed) : random_(seed) {}

  EventBody Next() {
    const auto shmid = static_cast<uint8_t>(Below(3));
    switch (Below(40)) {
      case 0:
        return Connected{};
      case 1:
        return MappingsStaled{};
      case 2:
        return Below(4) == 0 ? EventBody(Disconnected{BackendState::kDisconnected, {}})
                             : EventBody(PeaksReset{static_cast<int16_t>(static_cast<int>(Below(4)) - 1)});
      case 3:
        return Below(2) == 0 ? EventBody(RegionReported{Below(2 * kPages) * kPage, shmid, Exposed::kYes})
                             : EventBody(RegionRetired{shmid});
      case 4:
        return FindingRaised{static_cast<FindingCode>(Below(kFindingCodeCount)), kWholeBackend, {}};
      case 5:
        return FindingClosed{static_cast<FindingCode>(Below(kFindingCodeCount)), kWholeBackend};
      case 6:
        return Below(8) == 0 ? EventBody(MappingsCleared{}) : EventBody(QueryDone{1000, Below(2) == 0});
      case 7:
      case 8:
        return MappingEchoed{Below(kPages) * kPage, static_cast<int64_t>(Below(5) * kPage) - 1, shmid,
                             Below(3) == 0 ? InMemoryTable::kNo : InMemoryTable::kYes};
      default:
        return NextRequest(shmid);
    }
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  EventBody NextRequest(uint8_t shmid) {
    const uint64_t offset = Below(kPages) * kPage + (Below(16) == 0 ? 0x800 : 0);
    const uint64_t len = Below(12) == 0 ? Below(30) * kPage : Below(3) * kPage;
    const int32_t error_number = Below(10) == 0 ? 22 : 0;
    const auto latency_ns = static_cast<int64_t>(Below(1000)) - 1;
    if (Below(5) < 2) {
      const UnmapRequest request = UnmapOf(shmid, offset, len);
      if (Below(2) == 0) return UnmapRequested{request};
      return UnmapSettled{request, latency_ns, error_number, RequestFailure::kNone};
    }
    MapRequest request = MapOf(shmid, offset, len);
    request.fd.inode = Below(4);
    request.fd.size_bytes = static_cast<int64_t>(Below(4) * kPage);
    request.fd.seals = Below(2) == 0 ? kSealShrink : 0;
    request.flags = Below(20) == 0 ? 0xf0 : Below(2);
    request.fd_offset = Below(4) * kPage;
    if (Below(3) == 0) return MapRequested{request};
    return MapSettled{request, latency_ns, error_number, RequestFailure::kNone};
  }

  std::mt19937 random_;
};

}  // namespace shmemd::state
