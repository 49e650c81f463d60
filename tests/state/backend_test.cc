#include "server/state/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "tests/state/state_fixture.h"

namespace shmemd::state {
namespace {

TEST(BackendTest, ChecksRequestsAgainstReportedRegionsOnly) {
  BackendUnderTest fs0;
  EXPECT_EQ(fs0.backend.CheckMap(MapOf(2, 0, kPage)), RequestFailure::kUnknownShmid);
  fs0.Report(2, 4 * kPage);
  EXPECT_EQ(fs0.backend.CheckMap(MapOf(2, 0, kPage)), RequestFailure::kNone);
  EXPECT_EQ(fs0.backend.CheckUnmap(UnmapOf(2, 0, kPage)), RequestFailure::kNotMapped);
  fs0.Map(MapOf(2, 0, kPage));
  EXPECT_EQ(fs0.backend.CheckUnmap(UnmapOf(2, 0, kPage)), RequestFailure::kNone);
  fs0.Apply(RegionRetired{2});
  EXPECT_EQ(fs0.backend.CheckMap(MapOf(2, kPage, kPage)), RequestFailure::kUnknownShmid);
  EXPECT_EQ(fs0.backend.CheckUnmap(UnmapOf(2, 0, kPage)), RequestFailure::kNone) << "it is mapped still";
  fs0.Unmap(UnmapOf(2, 0, kPage));
  EXPECT_EQ(fs0.backend.CheckUnmap(UnmapOf(2, 0, kPage)), RequestFailure::kUnknownShmid);
}

TEST(BackendTest, SumsOfTrafficDoNotTouchTheUpdateTime) {
  BackendUnderTest fs0;
  fs0.Report(0, kPage);
  const int64_t before_ns = fs0.backend.status().update_time_ns;
  fs0.Apply(TrafficCounted{});
  fs0.Apply(ForwardsTimed{});
  EXPECT_EQ(fs0.backend.status().update_time_ns, before_ns)
      << "a copy kept from events is never told of them";
  fs0.Apply(PeaksReset{});
  EXPECT_GT(fs0.backend.status().update_time_ns, before_ns);
}

TEST(BackendTest, AMapIsMappedIfAnsweredAndAssumedIfNot) {
  BackendUnderTest fs0;
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, kPage), 5000);
  fs0.Map(MapOf(0, kPage, kPage), -1);
  const std::vector<Mapping> mappings = MappingsOf(fs0.region(0).table);
  ASSERT_EQ(mappings.size(), 2U);
  EXPECT_EQ(mappings[0].state, MappingState::kMapped);
  EXPECT_EQ(mappings[0].ack_latency_ns, 5000);
  EXPECT_EQ(mappings[0].sequence, 3U) << "of the event that settled it";
  EXPECT_EQ(mappings[0].request_time_ns, 1'000'003 - 5000);
  EXPECT_EQ(mappings[1].state, MappingState::kAssumed);
  EXPECT_EQ(mappings[1].ack_latency_ns, -1);
  EXPECT_EQ(fs0.region(0).table.totals().assumed_bytes, kPage);
  EXPECT_EQ(fs0.backend.status().map_durations.sum_ns, 5000);
}

TEST(BackendTest, CountersCountRequestsFailuresAndBytes) {
  BackendUnderTest fs0;
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, kPage));
  fs0.FailMap(MapOf(0, 0, kPage), RequestFailure::kOverlap, EEXIST);
  fs0.FailMap(MapOf(0, 64 * kPage, kPage), RequestFailure::kOutOfRange, EINVAL);
  fs0.Unmap(UnmapOf(0, 0, kPage));
  fs0.FailUnmap(UnmapOf(0, 0, kPage), RequestFailure::kNotMapped, EINVAL);
  const RequestCounters& counters = fs0.region(0).status.counters;
  EXPECT_EQ(counters.map_requests, 3U);
  EXPECT_EQ(counters.map_bytes_total, kPage);
  EXPECT_EQ(counters.map_failure_count(), 2U);
  EXPECT_EQ(counters.map_failures[static_cast<size_t>(RequestFailure::kOverlap)], 1U);
  EXPECT_EQ(counters.unmap_requests, 2U);
  EXPECT_EQ(counters.unmap_failure_count(), 1U);
  EXPECT_EQ(counters.map_failures[0], 0U);
}

TEST(BackendTest, ARefusalOfTheVmmIsCountedButNoFinding) {
  BackendUnderTest fs0(Mode::kRelay);
  fs0.FailMap(MapOf(0, 0, kPage), RequestFailure::kNone, EINVAL);
  EXPECT_EQ(fs0.region(0).status.counters.map_failures[static_cast<size_t>(RequestFailure::kRefused)], 1U);
  EXPECT_TRUE(fs0.backend.findings().empty());
}

TEST(BackendTest, PendingRequestsNeverFallBelowZero) {
  BackendUnderTest fs0;
  fs0.Apply(MapRequested{MapOf(0, 0, kPage)});
  fs0.Apply(UnmapRequested{UnmapOf(0, 0, kPage)});
  EXPECT_EQ(fs0.backend.status().pending_requests, 2U);
  fs0.Apply(Disconnected{BackendState::kDisconnected, {}});
  EXPECT_EQ(fs0.backend.status().pending_requests, 0U);
  fs0.Apply(MapSettled{MapOf(0, 0, kPage), 1, 0, RequestFailure::kNone});
  EXPECT_EQ(fs0.backend.status().pending_requests, 0U);
}

TEST(BackendTest, WhyAConnectionEndedStaysOpenUntilOneIsAnswered) {
  BackendUnderTest fs0;
  for (const FindingCode code : {FindingCode::kShmemAdvertisedNoConfig, FindingCode::kConfigReplyMalformed,
                                 FindingCode::kMessageTooLarge}) {
    fs0.Apply(FindingRaised{code});
    fs0.Apply(Connected{});
    fs0.Apply(Connected{});
    EXPECT_TRUE(fs0.IsOpen(code, kWholeBackend)) << FindingCodeName(code);
    fs0.Apply(ConfigSeen{});
    EXPECT_FALSE(fs0.IsOpen(code, kWholeBackend)) << FindingCodeName(code);
  }
}

TEST(BackendTest, AnUnmapWithADescriptorIsNoted) {
  BackendUnderTest fs0;
  UnmapRequest request = UnmapOf(2, 0, kPage);
  request.fd_count = 1;
  fs0.Apply(UnmapRequested{request});
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kUnmapWithFd, 2));
}

TEST(BackendTest, AnUnmapThatWaitsIsShownUntilItFails) {
  BackendUnderTest fs0;
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, kPage));
  fs0.Apply(UnmapRequested{UnmapOf(0, 0, kPage)});
  EXPECT_TRUE(fs0.region(0).table.Find(0)->unmap_pending);
  fs0.Apply(UnmapSettled{UnmapOf(0, 0, kPage), 1, EINVAL, RequestFailure::kRefused});
  EXPECT_FALSE(fs0.region(0).table.Find(0)->unmap_pending);
}

TEST(BackendTest, UnknownShmidsAreCountedInRegionsThatNoListShows) {
  BackendUnderTest fs0;
  fs0.FailMap(MapOf(77, 0, kPage), RequestFailure::kUnknownShmid, EINVAL);
  ASSERT_NE(fs0.backend.FindRegion(77), nullptr);
  EXPECT_FALSE(fs0.region(77).listed());
  EXPECT_EQ(fs0.region(77).status.counters.map_requests, 1U);
  EXPECT_EQ(fs0.backend.Totals().region_count, 0U);
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapUnknownShmid, 77));
}

TEST(BackendTest, PeaksStartAgainWithAConnectionAndWhenTold) {
  BackendUnderTest fs0;
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, 4 * kPage));
  fs0.Unmap(UnmapOf(0, 0, 4 * kPage));
  fs0.Map(MapOf(0, 0, kPage));
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, 4 * kPage);
  fs0.Apply(PeaksReset{7});
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, 4 * kPage) << "that is another region";
  fs0.Apply(PeaksReset{0});
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, kPage);
  fs0.Map(MapOf(0, kPage, kPage));
  fs0.Unmap(UnmapOf(0, kPage, kPage));
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, 2 * kPage);
  fs0.Apply(PeaksReset{});
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, kPage);
  fs0.Apply(Disconnected{BackendState::kDisconnected, {}});
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, kPage) << "still that of the last connection";
  fs0.Apply(Connected{});
  EXPECT_EQ(fs0.region(0).status.peak_mapped_bytes, 0U);
}

TEST(BackendTest, ADisconnectedFrontendKeepsSizesAndCountersButNoMapping) {
  BackendUnderTest fs0;
  fs0.Apply(Connected{});
  fs0.Apply(StateChanged{BackendState::kActive, {}});
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, kPage));
  EXPECT_TRUE(fs0.backend.up());
  const Cause cause{.reason = StateReason::kClosedByBackend};
  fs0.Apply(Disconnected{BackendState::kDisconnected, cause});
  EXPECT_FALSE(fs0.backend.up());
  EXPECT_EQ(fs0.backend.status().cause, cause);
  EXPECT_EQ(fs0.backend.status().disconnect_counts[static_cast<size_t>(StateReason::kClosedByBackend)], 1U);
  EXPECT_EQ(fs0.region(0).table.totals(), RegionTotals{});
  EXPECT_EQ(fs0.region(0).status.size_bytes, 16 * kPage);
  EXPECT_EQ(fs0.region(0).table.free_bytes(), 16 * kPage);
  EXPECT_EQ(fs0.region(0).status.counters.map_requests, 1U);
  EXPECT_EQ(fs0.backend.Totals().size_bytes, 16 * kPage);
}

TEST(BackendTest, BehindARelayALostBackEndLeavesStaleMappingsUntilThereIsProof) {
  BackendUnderTest fs0(Mode::kRelay);
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, kPage));
  fs0.Apply(Disconnected{BackendState::kDisconnected, {}});
  EXPECT_EQ(fs0.backend.Totals().mapped_bytes, 0U);
  EXPECT_EQ(fs0.backend.Totals().stale_bytes, kPage);
  EXPECT_EQ(fs0.backend.Totals().at_risk_bytes, kPage);
  fs0.Map(MapOf(0, 0, kPage));
  EXPECT_EQ(fs0.backend.Totals().mapped_bytes, kPage);
  EXPECT_EQ(fs0.Find(FindingCode::kMapOverlap, 0), nullptr)
      << "the new map is the proof that the old one is gone";
  fs0.Apply(MappingsStaled{});
  fs0.Apply(MappingsCleared{});
  EXPECT_EQ(fs0.backend.Totals().stale_bytes, 0U);
}

TEST(BackendTest, TheVmmHasDecidedSoARelayTakesOverlapsAndPartialUnmaps) {
  BackendUnderTest fs0(Mode::kRelay);
  fs0.Report(0, 16 * kPage);
  fs0.Map(MapOf(0, 0, 4 * kPage));
  fs0.Map(MapOf(0, kPage, kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapOverlap, 0));
  EXPECT_EQ(FindingSummary(*fs0.Find(FindingCode::kMapOverlap, 0)),
            "SHMEM_MAP of 0x1000 bytes at 0x1000 overlaps the mapping of 0x4000 bytes at 0x0");
  EXPECT_EQ(fs0.region(0).table.totals().mapping_count, 3U);
  EXPECT_EQ(fs0.region(0).table.totals().mapped_bytes, 4 * kPage);
  EXPECT_EQ(fs0.region(0).status.counters.map_failure_count(), 0U);

  fs0.Unmap(UnmapOf(0, 0, 16 * kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kUnmapPartial, 0));
  EXPECT_EQ(fs0.region(0).table.totals().mapping_count, 2U);
  fs0.Unmap(UnmapOf(0, 8 * kPage, kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kUnmapNotMapped, 0));
}

TEST(BackendTest, WhatAVmmAcceptedAgainstTheRulesIsTakenAndNoted) {
  BackendUnderTest fs0(Mode::kRelay);
  fs0.Map(MapOf(5, 0, kPage));
  EXPECT_EQ(fs0.Find(FindingCode::kMapUnknownShmid, 5), nullptr) << "nobody has asked for the sizes yet";
  EXPECT_TRUE(fs0.region(5).listed());
  fs0.Report(0, 4 * kPage);
  fs0.Apply(ConfigSeen{ShmemConfig{.source = ConfigSource::kSeen}});
  fs0.Map(MapOf(5, kPage, kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapUnknownShmid, 5));
  fs0.Map(MapOf(0, 3 * kPage, 2 * kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapOutOfRange, 0));
  fs0.Map(MapOf(0, 0, 0));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapLenZero, 0));
  MapRequest two_fds = MapOf(0, 0, kPage);
  two_fds.fd_count = 2;
  fs0.Map(two_fds);
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kMapExtraFds, 0));
  EXPECT_EQ(fs0.region(0).table.totals().mapped_bytes, 3 * kPage);
}

TEST(BackendTest, TheFirstMapShowsThatTheDeviceIsStarted) {
  BackendUnderTest fs0;
  fs0.Report(0, 16 * kPage);
  fs0.Apply(FindingRaised{FindingCode::kDeviceNotStarted, kWholeBackend, {}});
  fs0.FailMap(MapOf(0, 0, 0), RequestFailure::kLenZero, EINVAL);
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kDeviceNotStarted, kWholeBackend));
  fs0.Map(MapOf(0, 0, kPage));
  EXPECT_FALSE(fs0.IsOpen(FindingCode::kDeviceNotStarted, kWholeBackend));
}

TEST(BackendTest, FindingsOfTheConnectionBeforeAreClosedByTheNextOne) {
  BackendUnderTest fs0;
  fs0.Apply(Connected{});
  const EvidenceList evidence{{{EvidenceKey::kReplyPayloadBytes, 24}}};
  fs0.Apply(FindingRaised{FindingCode::kConfigReplyTruncated, kWholeBackend, evidence});
  fs0.Apply(FindingRaised{FindingCode::kConfigReplyTruncated, kWholeBackend, evidence});
  EXPECT_EQ(fs0.backend.Totals().open_finding_count, 1U);
  fs0.Apply(Disconnected{BackendState::kDisconnected, {}});
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kConfigReplyTruncated, kWholeBackend)) << "it says why";
  fs0.Apply(Connected{});
  const Finding& finding = *fs0.Find(FindingCode::kConfigReplyTruncated, kWholeBackend);
  EXPECT_FALSE(finding.open);
  EXPECT_EQ(finding.count, 2U);
  EXPECT_EQ(finding.epoch, 1U);
  EXPECT_EQ(finding.evidence, evidence);
  EXPECT_EQ(finding.first_seen_ns + 1, finding.last_seen_ns);
  fs0.Apply(FindingRaised{FindingCode::kConfigReplyTruncated, kWholeBackend, {}});
  EXPECT_TRUE(finding.open);
  EXPECT_EQ(finding.count, 3U);
  EXPECT_EQ(finding.epoch, 2U);
  fs0.Apply(FindingClosed{FindingCode::kConfigReplyTruncated, kWholeBackend});
  EXPECT_FALSE(finding.open);
}

TEST(BackendTest, HostileFindingsAndRegionsStayBounded) {
  BackendUnderTest fs0;
  for (int code = 0; code < 256; ++code) {
    for (int shmid = -300; shmid < 600; shmid += 3) {
      fs0.Apply(FindingRaised{static_cast<FindingCode>(code), static_cast<int16_t>(shmid), {}});
    }
  }
  EXPECT_LE(fs0.backend.findings().size(), size_t{kFindingCodeCount} * 257);
  MapSettled settled{MapOf(255, UINT64_MAX, UINT64_MAX), INT64_MAX, INT32_MIN,
                     static_cast<RequestFailure>(200)};
  fs0.Apply(settled);
  settled.failure = RequestFailure::kNone;
  settled.error_number = 0;
  settled.request.shm_offset = 1;
  fs0.Apply(settled);
  fs0.Apply(settled);
  fs0.Apply(Disconnected{BackendState::kFailed, Cause{.reason = static_cast<StateReason>(250)}});
  EXPECT_EQ(fs0.region(255).status.counters.map_bytes_total, UINT64_MAX);
  EXPECT_EQ(fs0.backend.Totals().mapped_bytes, 0U);
}

struct OddCase {
  const char* name;
  FindingCode code;
  int16_t shmid;
  void (*make_odd)(MapRequest&);
  int64_t latency_ns;
};

class OddMappingTest : public testing::TestWithParam<OddCase> {};

TEST_P(OddMappingTest, IsFoundWhileItIsMapped) {
  const OddCase& odd = GetParam();
  BackendUnderTest fs0;
  fs0.Report(3, 64 * kPage);
  fs0.Map(MapOf(3, 0, kPage));
  EXPECT_TRUE(fs0.backend.findings().empty());

  for (const uint64_t page : {8U, 16U}) {
    MapRequest request = MapOf(3, page * kPage, kPage);
    odd.make_odd(request);
    fs0.Map(request, odd.latency_ns);
  }
  ASSERT_TRUE(fs0.IsOpen(odd.code, odd.shmid));
  EXPECT_EQ(fs0.Find(odd.code, odd.shmid)->count, 2U);
  EXPECT_EQ(fs0.backend.findings().size(), 1U) << "one oddity, one finding";

  const std::vector<Mapping> mappings = MappingsOf(fs0.region(3).table);
  fs0.Unmap(UnmapOf(3, mappings[1].shm_offset, kPage));
  EXPECT_TRUE(fs0.IsOpen(odd.code, odd.shmid)) << "another one is still there";
  fs0.Unmap(UnmapOf(3, mappings[2].shm_offset, kPage));
  EXPECT_FALSE(fs0.IsOpen(odd.code, odd.shmid));
}

INSTANTIATE_TEST_SUITE_P(
    Oddities, OddMappingTest,
    testing::Values(
        OddCase{"BeyondEof", FindingCode::kBeyondEof, 3, [](MapRequest& r) { r.fd.size_bytes = 100; }, 1},
        OddCase{"EmptyBacking", FindingCode::kEmptyBacking, 3, [](MapRequest& r) { r.fd.size_bytes = 0; }, 1},
        OddCase{"Shrinkable", FindingCode::kShrinkableBacking, kWholeBackend,
                [](MapRequest& r) { r.fd.seals = 0; }, 1},
        OddCase{"ReadOnlyFd", FindingCode::kFdNotWritable, 3,
                [](MapRequest& r) { r.fd.access = base::FdAccess::kReadOnly; }, 1},
        OddCase{"FdOffset", FindingCode::kFdOffsetUnaligned, 3, [](MapRequest& r) { r.fd_offset = 0x800; },
                1},
        OddCase{"Unaligned", FindingCode::kMapUnaligned, 3, [](MapRequest& r) { r.shm_offset += 0x800; }, 1},
        OddCase{"Flags", FindingCode::kMapUnknownFlags, 3, [](MapRequest& r) { r.flags = 3; }, 1},
        OddCase{"NoAck", FindingCode::kMapNoAck, 3, [](MapRequest&) {}, -1}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

TEST(OddMappingTest, ShrinkableIsSaidOnceForTheWholeBackEnd) {
  BackendUnderTest fs0;
  for (const uint8_t shmid : {uint8_t{0}, uint8_t{1}}) {
    fs0.Report(shmid, 64 * kPage);
    MapRequest request = MapOf(shmid, 0, kPage);
    request.fd.kind = base::FdKind::kFile;
    request.fd.seals_known = false;
    fs0.Map(request);
  }
  EXPECT_EQ(fs0.backend.findings().size(), 1U);
  fs0.Unmap(UnmapOf(0, 0, kPage));
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kShrinkableBacking, kWholeBackend));
  fs0.Unmap(UnmapOf(1, 0, kPage));
  EXPECT_FALSE(fs0.IsOpen(FindingCode::kShrinkableBacking, kWholeBackend));
}

TEST(OddMappingTest, ADmaBufHasNoEndAndNoSeals) {
  BackendUnderTest fs0;
  fs0.Report(0, 64 * kPage);
  MapRequest request = MapOf(0, 0, kPage);
  request.fd = {
      .inode = 5, .size_bytes = 0, .kind = base::FdKind::kDmaBuf, .access = base::FdAccess::kReadWrite};
  fs0.Map(request);
  EXPECT_TRUE(fs0.backend.findings().empty());
  EXPECT_EQ(fs0.backend.Totals().at_risk_bytes, 0U);
}

TEST(BackendTest, PaddingThatIsNotZeroIsNoted) {
  BackendUnderTest fs0;
  fs0.Report(0, 64 * kPage);
  MapRequest request = MapOf(0, 0, kPage);
  request.padding_nonzero = true;
  fs0.Map(request);
  EXPECT_TRUE(fs0.IsOpen(FindingCode::kPaddingNonzero, 0));
}

struct FailureCase {
  RequestFailure failure;
  FindingCode code;
};

TEST(BackendTest, EveryFailureOfAMapRaisesItsFinding) {
  const FailureCase cases[] = {{RequestFailure::kUnknownShmid, FindingCode::kMapUnknownShmid},
                               {RequestFailure::kLenZero, FindingCode::kMapLenZero},
                               {RequestFailure::kOutOfRange, FindingCode::kMapOutOfRange},
                               {RequestFailure::kUnaligned, FindingCode::kMapUnaligned},
                               {RequestFailure::kFdOffsetUnaligned, FindingCode::kFdOffsetUnaligned},
                               {RequestFailure::kOverlap, FindingCode::kMapOverlap},
                               {RequestFailure::kNoFd, FindingCode::kMapNoFd},
                               {RequestFailure::kExtraFds, FindingCode::kMapExtraFds},
                               {RequestFailure::kMappingLimit, FindingCode::kMappingLimit},
                               {RequestFailure::kWindowTooLarge, FindingCode::kMapNoResources},
                               {RequestFailure::kNoResources, FindingCode::kMapNoResources},
                               {RequestFailure::kMalformed, FindingCode::kMapMalformed}};
  for (const FailureCase& one : cases) {
    BackendUnderTest fs0;
    fs0.Report(0, 16 * kPage);
    fs0.FailMap(MapOf(0, 0, kPage), one.failure, EINVAL);
    EXPECT_TRUE(fs0.IsOpen(one.code, 0)) << RequestFailureName(one.failure);
    EXPECT_EQ(fs0.backend.findings().size(), 1U);
    EXPECT_EQ(fs0.region(0).status.counters.map_failures[static_cast<size_t>(one.failure)], 1U);
    EXPECT_EQ(fs0.region(0).table.totals().mapping_count, 0U);
  }
}

}  // namespace
}  // namespace shmemd::state
